#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/executor.h"
#include "base/limits.h"
#include "base/logging.h"
#include "base/metrics.h"
#include "base/scheduler.h"
#include "server/mounts/engine.h"
#include "server/mounts/lease_info.h"
#include "server/mounts/router.h"
#include "server/storage/storage.h"

namespace belfry::mounts {

enum class RevokeMode {
  kWait,   // The answer comes when the engine has revoked them.
  kQueue,  // It comes when they are bound to be revoked. After an error only this process knows.
  kForce   // As kWait, but what the engine cannot revoke is forgotten.
};

// The secrets that engines have leased, until they are revoked: because somebody says so, because
// their time is over, or because their mount goes. A revocation that fails is tried again for as
// long as it takes, after growing delays. (plugin-protocol 5.5)
//
// Thread-safe. Callbacks run exactly once, on any thread, possibly before the call returns, and
// must not block. What is stored survives the host; what is in memory for each lease is its id, its
// times and whose it is.
class LeaseManager {
 public:
  struct Dependencies {
    const MountRouter* router = nullptr;  // Which engine to ask.
    storage::Storage* storage = nullptr;  // Leases lie below "sys/expire/id/".
    const Clock* clock = nullptr;
    Scheduler* scheduler = nullptr;
    // For storage, which may block. Nothing that waits for leases may run on it.
    Executor* executor = nullptr;
    Metrics* metrics = nullptr;
    Limits limits;
    Logger logger;
  };
  using Done = absl::AnyInvocable<void(absl::Status)>;
  using Granted = absl::AnyInvocable<void(absl::StatusOr<Lease>)>;
  using Renewed = absl::AnyInvocable<void(absl::StatusOr<Response>)>;

  // Every pointer must outlive the manager.
  static std::unique_ptr<LeaseManager> Create(Dependencies dependencies);
  virtual ~LeaseManager() = default;

  // Takes over what is stored, before any other call. What storage said when it cannot be read.
  virtual absl::Status Start() = 0;
  // Asks engines for nothing more and waits for what is under way. Leases stay as they are.
  virtual void Stop() = 0;

  // A new lease for the secret in `response`, which answers `request`; it belongs to the token that
  // asked. The lease comes with its id and time; or a secret that cannot be kept is revoked at
  // once, and the error says why.
  virtual void Register(std::shared_ptr<const Mount> mount, const Request& request,
                        const Response& response, Granted granted) = 0;

  // nullopt: no such lease.
  virtual std::optional<LeaseInfo> LookUp(std::string_view id) const = 0;
  // What is directly below `prefix` (empty, or ending in '/'), without it, in order; folders end in
  // '/'.
  virtual std::vector<std::string> List(std::string_view prefix) const = 0;

  // Asks the engine for `increment` more from now; zero: for whatever it gives. The response has
  // the lease as it is then. NotFound "lease not found"; FailedPrecondition "lease is not
  // renewable", "lease expired"; Aborted while another renewal is under way; InvalidArgument: the
  // engine refused, and nothing has changed.
  virtual void Renew(std::string_view id, absl::Duration increment, Renewed renewed) = 0;

  // OK also when there is none. InvalidArgument: the engine refused one; that is tried again later.
  virtual void Revoke(LeaseScope scope, RevokeMode mode, Done done) = 0;

  // Has the leases revoked whose token `knows` does not know by its accessor: a crash came between
  // the end of the token and theirs. For the start, before tokens are made. Does not wait for it.
  virtual void RevokeStrays(absl::FunctionRef<bool(std::string_view accessor)> knows) = 0;

  // For a mount that has been taken out of service while its engine still runs: has the engine roll
  // back what it left half done and revokes its leases. Blocks. The first failure, after which the
  // mount should go on serving.
  virtual absl::Status RevokeAllOf(const Mount& mount) = 0;
};

}  // namespace belfry::mounts
