#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/executor.h"
#include "base/limits.h"
#include "base/logging.h"
#include "base/metrics.h"
#include "server/access/authorizer.h"
#include "server/access/cubbyholes.h"
#include "server/access/policy_store.h"
#include "server/access/role_store.h"
#include "server/access/token_store.h"
#include "server/api/http_message.h"
#include "server/api/outcome.h"
#include "server/api/refusal_log.h"
#include "server/bus/bus.h"
#include "server/mounts/lease_manager.h"
#include "server/mounts/mount_table.h"
#include "server/mounts/plugin_catalog.h"

namespace belfry::api {

// What the handlers need; every pointer must outlive the Api.
struct Dependencies {
  const access::Authorizer* authorizer = nullptr;
  access::PolicyStore* policies = nullptr;
  access::TokenStore* tokens = nullptr;
  access::RoleStore* roles = nullptr;
  access::Cubbyholes* cubbyholes = nullptr;
  mounts::MountTable* mounts = nullptr;
  mounts::PluginCatalog* catalog = nullptr;
  mounts::LeaseManager* leases = nullptr;
  bus::Bus* bus = nullptr;
  const Clock* clock = nullptr;
  // For what asks storage (tokens, roles, policies, cubbyholes), explains policies, opens a
  // subscription, reads a large body or puts the rules of a token together. Where it takes no more,
  // the answer is 503; only the end of a token on its last use always finds room. Nothing that
  // waits for a plugin or a mount runs here: a revocation must not wait behind it.
  Executor* executor = nullptr;
  // For what may wait for a plugin to start, answer or stop: mounts, registrations, reloads. Where
  // it takes no more, the answer is 503.
  Executor* plugin_executor = nullptr;
  // For what takes long by itself, policies explained rule by rule: others wait only for others of
  // that. Where it takes no more, the answer is 503.
  Executor* explain_executor = nullptr;
  Metrics* metrics = nullptr;
  Limits limits;
  std::string version;  // As in sys/health.
  Logger logger;
  // Shared: copies of this struct have the same.
  std::shared_ptr<RefusalLog> refusals = std::make_shared<RefusalLog>();
};

// What is kept of a request's body before Api::RefuseEarly has been asked.
inline constexpr std::uint64_t kMaxUnaskedBodyBytes = 64 * 1024;

// The /v1 handlers: requests in, responses out. Thread-safe; knows no socket.
class Api {
 public:
  static std::unique_ptr<Api> Create(Dependencies dependencies);
  virtual ~Api() = default;

  // Answers a request, or hands it back as a subscription that may be opened. `respond` runs
  // possibly before Handle returns.
  virtual void Handle(HttpRequest request, Respond respond) = 0;

  // What answers a request whatever its body says, so that the body need not be read: its sender
  // has no valid token or may not write there, or a body of so many bytes is too large for the
  // path. nullopt: Handle must see all of it. `head` may lack the body; `body_bytes` is what is
  // known of its length, which may turn out to be more. Waits for nothing, and spends no use of the
  // token.
  virtual std::optional<HttpResponse> RefuseEarly(const HttpRequest& head,
                                                  std::uint64_t body_bytes) const = 0;
};

}  // namespace belfry::api
