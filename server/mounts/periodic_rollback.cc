#include "server/mounts/periodic_rollback.h"

#include <set>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "base/mutex.h"
#include "server/mounts/lease_requests.h"

namespace belfry::mounts {
namespace {

// The mounts that have been asked and have not answered yet, by uuid. Thread-safe.
class Unanswered {
 public:
  // False when the mount has not answered the last time.
  bool Add(const std::string& uuid) {
    MutexLock lock(&mutex_);
    return uuids_.insert(uuid).second;
  }
  void Remove(const std::string& uuid) {
    MutexLock lock(&mutex_);
    uuids_.erase(uuid);
  }

 private:
  Mutex mutex_;
  std::set<std::string> uuids_ ABSL_GUARDED_BY(mutex_);
};

class PeriodicRollbackImpl final : public PeriodicRollback {
 public:
  explicit PeriodicRollbackImpl(Options options)
      : options_(std::move(options)),
        timer_(Repeat(options_.scheduler, options_.interval, [this] { AskAll(); })) {}

 private:
  void AskAll() const {
    for (const std::shared_ptr<const Mount>& mount : options_.router->List()) {
      if (mount->engine != nullptr) Ask(mount);
    }
  }

  void Ask(const std::shared_ptr<const Mount>& mount) const {
    if (!unanswered_->Add(mount->entry.uuid)) return;
    Engine* const engine = mount->engine;
    // Nothing of this object: the answer may come after its end.
    engine->Handle(RollbackRequest(mount->entry, options_.clock->Steady() + options_.request_limit),
                   [mount, unanswered = unanswered_,
                    logger = options_.logger](const absl::StatusOr<Reply>& reply) {
                     unanswered->Remove(mount->entry.uuid);
                     if (const absl::Status status = RollbackOutcome(reply); !status.ok()) {
                       logger.Warn(
                           "an engine's periodic work failed",
                           {{"path", mount->entry.path}, {"error", std::string(status.message())}});
                     }
                   });
  }

  const Options options_;
  // Shared with the requests under way.
  const std::shared_ptr<Unanswered> unanswered_ = std::make_shared<Unanswered>();
  const std::unique_ptr<Timer> timer_;  // Last: it uses the rest.
};

}  // namespace

std::unique_ptr<PeriodicRollback> PeriodicRollback::Start(Options options) {
  return std::make_unique<PeriodicRollbackImpl>(std::move(options));
}

}  // namespace belfry::mounts
