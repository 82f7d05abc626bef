#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "absl/functional/any_invocable.h"
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
};

// Where the frames of one subscription go. Thread-safe.
class Subscriber : public bus::Sink {
 public:
  // Drops what waits, takes nothing more, and has the connection closed with 1000 and this reason.
  // Once it has returned no frame begins to leave. Waits for one system call at most.
  virtual void End(std::string_view reason) = 0;
  // Returns when what is leaving at this moment has left: every frame after that leaves only if
  // the authorizer, refreshed after this was called, allows it. Waits for one system call at most.
  virtual void AwaitSending() = 0;
};

// The subscription that a WebSocket upgrade has opened. Events may already have been offered to the
// subscriber.
struct OpenedSubscription {
  std::unique_ptr<bus::Subscription> subscription;
  bus::Format format = bus::Format::kProtobuf;
  // For whoever sends: what was offered may have to be authorized again when its turn comes. Kept
  // as long as anything may be sent, it also ends the subscriber, see Api::Subscribe.
  std::unique_ptr<bus::EventAuthorizer> event_authorizer;
};

// What came of an upgrade: a subscription, or the answer instead.
using SubscribeResult = std::variant<OpenedSubscription, HttpResponse>;

// What is kept of a request's body before Api::RefuseEarly has been asked.
inline constexpr std::uint64_t kMaxUnaskedBodyBytes = 64 * 1024;

// The /v1 handlers: requests in, responses out. Thread-safe; knows no socket.
class Api {
 public:
  static std::unique_ptr<Api> Create(Dependencies dependencies);
  virtual ~Api() = default;

  // Answers a request. `respond` runs exactly once, on any thread, possibly before Handle returns.
  virtual void Handle(HttpRequest request, absl::AnyInvocable<void(HttpResponse)> respond) = 0;

  // What answers a request whatever its body says, so that the body need not be read: its sender
  // has no valid token or may not write there, or a body of so many bytes is too large for the
  // path. nullopt: Handle must see all of it. `head` may lack the body; `body_bytes` is what is
  // known of its length, which may turn out to be more. Waits for nothing, and spends no use of the
  // token.
  virtual std::optional<HttpResponse> RefuseEarly(const HttpRequest& head,
                                                  std::uint64_t body_bytes) const = 0;

  // Whether the path is the subscribe endpoint; then Subscribe answers it, whatever the method.
  virtual bool IsSubscribe(const HttpRequest& request) const = 0;

  // Checks everything that can fail before "101 Switching Protocols" and opens the subscription, so
  // that no event after the 101 is missed; or says what to answer instead. `done` runs exactly
  // once, on any thread, possibly before Subscribe returns. From then on the subscriber is ended
  // when its token is, or when a policy takes away what it needed to subscribe.
  // (vault-api-and-events 3.2)
  virtual void Subscribe(HttpRequest request, std::shared_ptr<Subscriber> subscriber,
                         absl::AnyInvocable<void(SubscribeResult)> done) = 0;
};

}  // namespace belfry::api
