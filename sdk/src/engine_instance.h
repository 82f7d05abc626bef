#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "belfry/engine.h"
#include "belfry/serve.h"
#include "sdk/src/outgoing_error.h"

namespace belfry::internal {

// Drops every line.
const Log* NoLog();

// What one mount gives its engine. The pointers must outlive the instance.
struct MountContext {
  std::map<std::string, std::string> options;
  std::string backend_uuid;
  Storage* storage = nullptr;
  EventSender* events = nullptr;
  std::function<absl::Time()> now = absl::Now;
  const Log* log = NoLog();
  EngineKind kind = EngineKind::kSecrets;
  std::function<absl::StatusOr<LeaseTtls>()> ttls = nullptr;  // Null: there is nobody to ask.
};

absl::StatusOr<LeaseTtls> TtlsOf(const MountContext& mount);

// A secret that was leased, and the name of its kind.
struct IncomingSecret {
  std::string kind;
  LeasedSecret secret;
};

// A request as it came over the wire or from a test, with nothing of the transport left.
struct IncomingRequest {
  std::string operation;  // Vault's word: "create", "read", "update", "patch", "delete", "list",
                          // "help", "rollback", "renew", "revoke" …
  std::string id;
  std::string path;
  Json::Object data;
  Caller caller;
  std::map<std::string, std::vector<std::string>> headers;
  absl::Duration wrap_ttl = absl::ZeroDuration();
  // What is to be renewed or revoked: one of them.
  std::optional<IncomingSecret> secret;
  std::optional<GivenGrant> grant;
  absl::Time deadline = absl::InfiniteFuture();
  std::function<bool()> cancelled;
  Storage* storage = nullptr;  // The request's own, with its deadline and cancellation.
  EventSender* events = nullptr;
};

// Neither: there is no such thing (404 for reads and lists, 204 for writes).
struct OutgoingReply {
  std::optional<Response> response;
  std::optional<OutgoingError> error;
};

struct SpecialPaths {
  std::vector<std::string> root;
  std::vector<std::string> unauthenticated;
  std::vector<std::string> seal_wrap;
  std::map<SpecialPath, std::vector<std::string>> others;
};

// One mount's engine, described by the plugin and ready to answer; knows no transport. Thread-safe
// once created.
class EngineInstance {
 public:
  // Runs `define`. InvalidArgument when what it describes is mistaken, with a sentence for each
  // mistake.
  static absl::StatusOr<std::unique_ptr<EngineInstance>> Create(void (*define)(Engine&),
                                                                MountContext context);
  virtual ~EngineInstance() = default;

  virtual OutgoingReply Handle(IncomingRequest request) = 0;
  // An update that may be a create, where no host has asked which: CheckExistence, if a handler
  // must know, and Handle. The status is that of the check; nothing was done then.
  virtual absl::StatusOr<OutgoingReply> Write(IncomingRequest request) = 0;
  // nullopt: nothing here tells create from update (no route, no write handler, or only updates).
  virtual absl::StatusOr<std::optional<bool>> CheckExistence(const IncomingRequest& request) = 0;
  virtual absl::Status Initialize() = 0;
  // What InBackground describes and what has not succeeded yet; the first failure. One call at a
  // time.
  virtual absl::Status RunBackground(std::stop_token stop) = 0;
  virtual bool has_background() const = 0;
  virtual void Invalidate(std::string_view key) = 0;
  virtual void Cleanup() = 0;
  virtual SpecialPaths special_paths() const = 0;
};

// What Create says of `define`, without a mount: with no options, as hosts call it when a plugin is
// registered. (plugin-protocol 6.1)
absl::Status CheckDefinition(const Plugin& plugin);

}  // namespace belfry::internal
