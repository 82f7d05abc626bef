#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/steady_time.h"
#include "server/mounts/mount_entry.h"
#include "server/mounts/special_paths.h"

namespace belfry::mounts {

enum class Operation {
  kCreate,
  kRead,
  kUpdate,
  kPatch,
  kDelete,
  kList,
  kHelp,
  kRenew,
  kRevoke,
  kRollback
};

// Vault's word for it: "create", "read" …
std::string_view OperationName(Operation operation);

// A secret that the host must renew or revoke later. (plugin-protocol 5.5)
struct Lease {
  absl::Duration ttl;      // Zero: the mount's default.
  absl::Duration max_ttl;  // Zero: the mount's; renewals end so long after the issue.
  bool renewable = false;
  // JSON that the engine wants back when it is to renew or revoke; clients never see it.
  std::string internal_data;
  // What the host adds.
  std::string id;  // "": none yet.
  absl::Time issued = absl::UnixEpoch();
  absl::Duration increment;  // What a renewal asks for; zero: nothing in particular.
};

// One request to a mount, on its way to the engine behind it.
struct Request {
  std::string id;
  Operation operation = Operation::kRead;
  // Without the mount. A list ends in '/'.
  std::string path;
  // The text of a JSON object, or "null". Kept as text so that numbers reach the engine as they
  // were written.
  std::string data = "null";
  std::string mount_point;     // "secret/"
  std::string mount_type;      // "kv"
  std::string mount_accessor;  // "kv_957bb7d8"
  // Salted with the mount's uuid: an engine can compare tokens, never use one.
  std::string client_token;
  std::string client_token_accessor;
  std::string display_name;
  std::string entity_id;
  std::string remote_address;
  bool unauthenticated = false;  // Nobody has checked who asks: the path is open to everybody.
  std::optional<Lease> lease;    // What to renew or revoke.
  SteadyTime deadline = SteadyTime::InfiniteFuture();
  // Whether the request is still allowed, with this data: asked when it has waited for longer than
  // a moment before it goes to the engine. Any thread; must not block. Empty: yes.
  std::function<bool(std::string_view data)> still_allowed;
};

// A token for somebody who has logged in. Only the engine of an auth mount can grant one.
// (plugin-protocol 5.4)
struct LoginGrant {
  std::vector<std::string> policies;
  std::map<std::string, std::string> metadata;
  std::string display_name;  // Without the mount.
  absl::Duration ttl;        // Zero: the mount's default.
  absl::Duration max_ttl;    // Zero: the mount's.
  absl::Duration explicit_max_ttl;
  absl::Duration period;
  std::int64_t num_uses = 0;  // 0: any number.
  std::string token_type;     // "", "service" or "batch".
  // From where it may be used; empty: from anywhere.
  std::vector<std::string> bound_cidrs;
  bool renewable = false;
  bool no_default_policy = false;
};

// What an engine answers.
struct Response {
  // The text of a JSON object, or "null". With raw responses: the keys http_status_code,
  // http_content_type, http_raw_body.
  std::string data = "null";
  std::vector<std::string> warnings;
  std::optional<Lease> lease;
  std::optional<LoginGrant> grant;
  std::string redirect;
  std::map<std::string, std::vector<std::string>> headers;
};

// An error that the engine itself reported; it has understood the request. (plugin-protocol 5.6)
struct EngineError {
  int http_status = 500;
  std::string message;
};

// A response, an error, both (the response's data then holds the text to show) or neither (there is
// no such thing).
struct Reply {
  std::optional<Response> response;
  std::optional<EngineError> error;
};

// What an existence check found: the host then asks for `create` or `update`.
enum class Existence { kUnknown, kExists, kMissing };

// What answers behind a mount, a secrets engine or an auth method, wherever it runs. Thread-safe.
// The callbacks run exactly once, on any thread, and must not block.
class Engine {
 public:
  virtual ~Engine() = default;
  // Unavailable: the engine's process is gone or could not answer. Aborted: the host itself has
  // interrupted it, and the message says why. PermissionDenied: the right to ask had gone when it
  // could go to the engine. DeadlineExceeded, Cancelled: as they say.
  virtual void Handle(Request request, absl::AnyInvocable<void(absl::StatusOr<Reply>)> done) = 0;
  // An update of somebody who may create, too: the engine finds out which it is. Codes as of both
  // of the others. Here: CheckExistence, then Handle.
  virtual void Write(Request request, absl::AnyInvocable<void(absl::StatusOr<Reply>)> done);
  // Also InvalidArgument, with the text for the client: the request is mistaken.
  virtual void CheckExistence(Request request,
                              absl::AnyInvocable<void(absl::StatusOr<Existence>)> done) = 0;
  // What the plugin says its version is; "" when it says nothing.
  virtual std::string RunningVersion() const = 0;
  // The sha256 of the program that runs, in hex; "" when it is no program.
  virtual std::string RunningSha256() const = 0;
  // As of now; never null.
  virtual std::shared_ptr<const SpecialPaths> Special() const = 0;
  // Goes on with `entry` in place of the one it was made with: lets requests under way end, holds
  // back new ones, and restarts the engine. After an error it goes on as before; if what was to
  // replace it has written to the mount's storage, it has been restarted with the entry it had, so
  // that it holds nothing from before. Codes as of EngineFactory::Create. Blocks; one call at a
  // time.
  virtual absl::Status Restart(const MountEntry& entry) = 0;
  // For callers that wait for requests under way: if the engine's process does not answer, it is
  // killed, and the requests end. Blocks for Limits::plugin_probe_timeout at most, and until the
  // process is gone.
  virtual void KillIfSilent() {}
  // Its mount is being taken out of service (or stays after all): requests that fail meanwhile are
  // Aborted and say so.
  virtual void NoteDisabling(bool /*disabling*/) {}
};

}  // namespace belfry::mounts
