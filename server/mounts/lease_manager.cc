#include "server/mounts/lease_manager.h"

#include <future>
#include <map>
#include <utility>

#include "base/ids.h"
#include "base/mutex.h"
#include "base/text.h"
#include "base/wait_group.h"
#include "server/mounts/lease_index.h"
#include "server/mounts/lease_record.h"
#include "server/mounts/lease_requests.h"
#include "server/mounts/lease_store.h"
#include "server/mounts/lease_terms.h"
#include "server/mounts/lease_timers.h"
#include "server/mounts/lease_work.h"

namespace belfry::mounts {
namespace {

constexpr std::size_t kIdLength = 24;

std::string NewId(const Mount& mount, std::string_view path) {
  while (path.ends_with('/')) path.remove_suffix(1);
  return Concat({mount.entry.path, path, path.empty() ? "" : "/", RandomBase62(kIdLength)});
}

absl::Status Stopping() {
  return absl::AbortedError("the server is stopping");
}

// Tells when all of several things are done, or the first has failed. Thread-safe.
class Countdown {
 public:
  Countdown(std::size_t count, LeaseManager::Done done) : left_(count), done_(std::move(done)) {}

  void Note(const absl::Status& status) {
    LeaseManager::Done done;
    {
      MutexLock lock(&mutex_);
      --left_;
      if (left_ > 0 && status.ok()) return;
      done = std::exchange(done_, nullptr);
    }
    if (done) done(status);
  }

 private:
  Mutex mutex_;
  std::size_t left_ ABSL_GUARDED_BY(mutex_);
  LeaseManager::Done done_ ABSL_GUARDED_BY(mutex_);  // Null once it has run.
};

class LeaseManagerImpl final : public LeaseManager {
 public:
  explicit LeaseManagerImpl(Dependencies dependencies)
      : router_(dependencies.router),
        store_(dependencies.storage, dependencies.clock),
        clock_(dependencies.clock),
        limits_(dependencies.limits),
        logger_(std::move(dependencies.logger)),
        work_(dependencies.executor),
        failures_(dependencies.metrics->GetCounter("belfry_lease_revocation_failures_total",
                                                   "Revocations that are to be tried again.")),
        index_(limits_, GaugesOf(*dependencies.metrics)),
        timers_(dependencies.scheduler, clock_, [this] { work_.Run([this] { Tick(); }); }) {}

  ~LeaseManagerImpl() override { Stop(); }

  absl::Status Start() override {
    const absl::Status read =
        store_.ForEach([this](std::string_view key, const absl::StatusOr<LeaseRecord>& record) {
          Restore(key, record);
        });
    if (read.ok()) Arm();
    return read;
  }

  void Stop() override {
    {
      LeaseTimers::Replaced cancelled;  // Destroyed without the lock.
      MutexLock lock(&mutex_);
      stopped_ = true;
      cancelled = timers_.Cancel();
    }
    work_.Wait();
    std::map<std::string, std::vector<Done>, std::less<>> waiting;
    {
      MutexLock lock(&mutex_);
      waiting.swap(waiting_);
    }
    for (auto& [id, waiting_for_it] : waiting) {
      for (Done& done : waiting_for_it) done(Stopping());
    }
  }

  void Register(std::shared_ptr<const Mount> mount, const Request& request,
                const Response& response, Granted granted) override {
    LeaseRecord record;
    record.mount = mount->entry.path;
    record.path = request.path;
    record.data = response.data;
    record.token_accessor = request.client_token_accessor;
    record.lease = *response.lease;
    record.lease.id = NewId(*mount, request.path);
    record.lease.issued = clock_->Now();
    record.lease.ttl = GrantedTtl(limits_, mount->entry, record.lease);
    record.expires = record.lease.issued + record.lease.ttl;
    work_.Run([this, mount = std::move(mount), record = std::move(record),
               granted = std::move(granted)]() mutable {
      Keep(std::move(mount), std::move(record), std::move(granted));
    });
  }

  std::optional<LeaseInfo> LookUp(std::string_view id) const override {
    MutexLock lock(&mutex_);
    return index_.LookUp(id, clock_->Now(), clock_->Steady());
  }

  std::vector<std::string> List(std::string_view prefix) const override {
    MutexLock lock(&mutex_);
    return index_.List(prefix);
  }

  void Renew(std::string_view id, absl::Duration increment, Renewed renewed) override {
    if (absl::Status refused = BeginRenewal(id); !refused.ok()) return renewed(refused);
    work_.Run([this, id = std::string(id), increment, renewed = std::move(renewed)]() mutable {
      absl::StatusOr<LeaseRecord> record = store_.Get(id);
      if (!record.ok()) return EndRenewal(id, record.status(), std::move(renewed));
      record->lease.increment = increment;
      AskToRenew(*std::move(record), std::move(renewed));
    });
  }

  void Revoke(LeaseScope scope, RevokeMode mode, Done done) override {
    work_.Run([this, scope = std::move(scope), mode, done = std::move(done)]() mutable {
      const std::vector<std::string> ids = Matching(scope);
      if (ids.empty()) return done(absl::OkStatus());
      if (mode != RevokeMode::kQueue) return RevokeNow(ids, mode, std::move(done));
      // First, so that no renewal stores a later end.
      RememberRevocations(ids);
      absl::Status noted;
      for (const std::string& id : ids) noted.Update(StoreExpiry(id));
      RevokeNow(ids, mode, [](const absl::Status&) {});
      done(noted);
    });
  }

  void RevokeStrays(absl::FunctionRef<bool(std::string_view accessor)> knows) override {
    std::vector<std::string> accessors;
    {
      MutexLock lock(&mutex_);
      accessors = index_.TokenAccessors();
    }
    std::erase_if(accessors, knows);
    if (accessors.empty()) return;
    logger_.Warn("revoking leases of tokens that have ended",
                 {{"tokens", std::to_string(accessors.size())}});
    for (std::string& accessor : accessors) {
      Revoke({.token_accessor = std::move(accessor)}, RevokeMode::kQueue,
             [](const absl::Status&) {});
    }
  }

  absl::Status RevokeAllOf(const Mount& mount) override {
    WaitGroup calls;
    calls.Add();
    std::shared_ptr<const Mount> leaving(&mount, [&calls](const Mount*) { calls.Done(); });
    {
      MutexLock lock(&mutex_);
      if (stopped_) {
        leaving.reset();
        return absl::OkStatus();
      }
      index_.BeginDisable(mount.entry.path, leaving);
    }
    const absl::Duration patience = limits_.plugin_probe_timeout;
    if (const absl::Status status = RollBack(*leaving, Deadline(), patience); !status.ok()) {
      logger_.Warn("an engine could not roll back",
                   {{"path", mount.entry.path}, {"error", std::string(status.message())}});
    }
    // Shared: whoever sets the value may still be at it when the value has been got.
    auto ended = std::make_shared<std::promise<absl::Status>>();
    Revoke({.id_or_prefix = mount.entry.path, .prefix = true}, RevokeMode::kWait,
           [ended](absl::Status status) { ended->set_value(std::move(status)); });
    const absl::Status status = Await(ended->get_future(), *mount.engine, patience);
    {
      MutexLock lock(&mutex_);
      index_.EndDisable(mount.entry.path);
    }
    leaving.reset();
    calls.Wait();
    if (status.ok()) return status;
    return absl::FailedPreconditionError(
        Concat({"a lease of ", mount.entry.path, " could not be revoked: ", ToStd(status.message()),
                "; fix the cause and retry, or forget its leases with "
                "sys/leases/revoke-force/",
                mount.entry.path}));
  }

 private:
  static Gauge& GaugeOf(Metrics& metrics, const char* state) {
    return metrics.GetGauge("belfry_leases", "Leases of secrets, by state.", {{"state", state}});
  }

  static LeaseGauges GaugesOf(Metrics& metrics) {
    return {.active = GaugeOf(metrics, "active"),
            .revoking = GaugeOf(metrics, "revoking"),
            .failed = GaugeOf(metrics, "failed"),
            .mounts =
                metrics.GetGauge("belfry_lease_mounts", "Mounts that have leases to be revoked.")};
  }

  void Restore(std::string_view key, const absl::StatusOr<LeaseRecord>& record) {
    if (!record.ok()) {
      logger_.Error("failed to restore lease", {{"lease", std::string(key)},
                                                {"error", std::string(record.status().message())}});
      return;
    }
    MutexLock lock(&mutex_);
    index_.Track(*record);
  }

  bool Stopped() const {
    MutexLock lock(&mutex_);
    return stopped_;
  }

  void Keep(std::shared_ptr<const Mount> mount, LeaseRecord record, Granted granted) {
    const absl::Status stored = Stopped() ? Stopping() : store_.Put(record);
    if (!stored.ok()) {
      // Nobody would ever revoke it.
      logger_.Error("cannot keep a lease; its secret is revoked",
                    {{"lease", record.lease.id}, {"error", std::string(stored.message())}});
      AskToRevoke(
          std::move(mount), record,
          [stored, granted = std::move(granted)](const absl::Status&) mutable { granted(stored); });
      return;
    }
    {
      MutexLock lock(&mutex_);
      index_.Track(record);
    }
    Arm();
    granted(std::move(record.lease));
  }

  // Wakes up when the next lease is due.
  void Arm() {
    LeaseTimers::Replaced replaced;  // Destroyed without the lock.
    MutexLock lock(&mutex_);
    if (!stopped_) replaced = timers_.Set(index_.NextWakeup());
  }

  // Revokes what is due, of each mount no more at once than it may.
  void Tick() {
    std::vector<std::string> due;
    {
      MutexLock lock(&mutex_);
      timers_.NoteWakeup();
      if (stopped_) return;
      due = index_.TakeDue(clock_->Now(), clock_->Steady());
    }
    for (const std::string& id : due) StartRevocation(id);
    Arm();
  }

  void StartRevocation(const std::string& id) {
    const absl::StatusOr<LeaseRecord> record = store_.Expire(id);
    if (!record.ok()) return EndRevocation(id, record.status());
    std::shared_ptr<const Mount> mount = MountOf(record->mount);
    if (mount == nullptr)
      return EndRevocation(id, absl::UnavailableError(Concat({"no mount at ", record->mount})));
    AskToRevoke(std::move(mount), *record,
                [this, id](const absl::Status& result) { EndRevocation(id, result); });
  }

  // OK also when the lease has been revoked meanwhile.
  absl::Status StoreExpiry(const std::string& id) {
    const absl::Status stored = store_.Expire(id).status();
    MutexLock lock(&mutex_);
    return index_.Contains(id) ? stored : absl::OkStatus();
  }

  void EndRevocation(const std::string& id, absl::Status status) {
    if (!status.ok() && Forced(id)) {
      logger_.Warn("forgot a lease that could not be revoked",
                   {{"lease", id}, {"error", std::string(status.message())}});
      status = absl::OkStatus();
    }
    std::vector<Done> waiting;
    {
      // As long as it is known, so that whoever misses it in storage can tell why.
      MutexLock one_changes(&store_.RecordLock(id));
      if (status.ok()) status = store_.Delete(id);
      MutexLock lock(&mutex_);
      if (auto found = waiting_.extract(id)) waiting = std::move(found.mapped());
      if (status.ok()) {
        index_.Forget(id);
      } else {
        index_.NoteFailure(id, ToStd(status.message()), clock_->Steady());
      }
    }
    if (!status.ok()) {
      failures_.Increment();
      logger_.Warn("could not revoke a lease; it will be tried again",
                   {{"lease", id}, {"error", std::string(status.message())}});
    }
    for (Done& done : waiting) done(status);
    Arm();
  }

  bool Forced(const std::string& id) const {
    MutexLock lock(&mutex_);
    return index_.OnFailureOf(id) == OnFailure::kForget;
  }

  std::vector<std::string> Matching(const LeaseScope& scope) const {
    MutexLock lock(&mutex_);
    return index_.Matching(scope);
  }

  // Has them revoked as soon as their mounts' limits allow. `done` gets what came of it: the first
  // failure, or OK when all are revoked.
  void RevokeNow(const std::vector<std::string>& ids, RevokeMode mode, Done done) {
    auto countdown = std::make_shared<Countdown>(ids.size(), std::move(done));
    const OnFailure on_failure =
        mode == RevokeMode::kForce ? OnFailure::kForget : OnFailure::kRetry;
    std::size_t gone = 0;
    bool stopped = false;
    {
      MutexLock lock(&mutex_);
      stopped = stopped_;
      const absl::Time now = clock_->Now();
      for (const std::string& id : ids) {
        if (stopped || !index_.QueueRevocation(id, on_failure, now)) {
          ++gone;
          continue;
        }
        waiting_[id].emplace_back(
            [countdown](const absl::Status& status) { countdown->Note(status); });
      }
    }
    for (; gone > 0; --gone) countdown->Note(stopped ? Stopping() : absl::OkStatus());
    Arm();
  }

  // To be revoked, although nobody does it yet: a renewal under way does not save them.
  void RememberRevocations(const std::vector<std::string>& ids) {
    MutexLock lock(&mutex_);
    const absl::Time now = clock_->Now();
    for (const std::string& id : ids) index_.MarkForRevocation(id, now);
  }

  absl::Status BeginRenewal(std::string_view id) {
    MutexLock lock(&mutex_);
    if (stopped_) return Stopping();
    return index_.BeginRenewal(id, clock_->Now());
  }

  void AskToRenew(LeaseRecord record, Renewed renewed) {
    std::shared_ptr<const Mount> mount = MountOf(record.mount);
    if (mount == nullptr) {
      return EndRenewal(record.lease.id,
                        absl::UnavailableError(Concat({"no mount at ", record.mount})),
                        std::move(renewed));
    }
    Request request = LeaseRequest(mount->entry, record, Operation::kRenew, Deadline());
    work_.Ask(std::move(mount), std::move(request),
              [this, record = std::move(record), renewed = std::move(renewed)](
                  const Mount& asked, absl::StatusOr<Reply> reply) mutable {
                const std::string id = record.lease.id;
                EndRenewal(id, Extend(asked.entry, std::move(record), std::move(reply)),
                           std::move(renewed));
              });
  }

  // What the engine has answered, with the lease as it is from now on.
  absl::StatusOr<Response> Extend(const MountEntry& entry, LeaseRecord record,
                                  absl::StatusOr<Reply> reply) {
    if (absl::Status refused = Outcome(reply); !refused.ok()) return refused;
    Response response = std::move(reply->response).value_or(Response());
    const absl::Time now = clock_->Now();
    if (response.lease) {
      absl::StatusOr<LeaseRecord> extended =
          RenewedRecord(limits_, entry, std::move(record), *std::move(response.lease), now);
      if (!extended.ok()) return extended.status();
      record = *std::move(extended);
      if (absl::Status stored = StoreRenewal(record); !stored.ok()) return stored;
    }
    response.lease = std::move(record.lease);
    response.lease->ttl = record.expires - now;
    return response;
  }

  absl::Status StoreRenewal(const LeaseRecord& record) {
    MutexLock one_changes(&store_.RecordLock(record.lease.id));
    {
      MutexLock lock(&mutex_);
      if (absl::Status refused = index_.CheckRenewal(record.lease.id); !refused.ok())
        return refused;
    }
    if (absl::Status stored = store_.Put(record); !stored.ok()) return stored;
    MutexLock lock(&mutex_);
    index_.ApplyRenewal(record);
    return absl::OkStatus();
  }

  void EndRenewal(const std::string& id, absl::StatusOr<Response> result, Renewed renewed) {
    {
      MutexLock lock(&mutex_);
      // Whatever the engine has said: a lease that is revoked next has not been renewed.
      const absl::Status stands = index_.EndRenewal(id);
      if (result.ok() && !stands.ok()) result = stands;
    }
    Arm();
    renewed(std::move(result));
  }

  // Null while there is none.
  std::shared_ptr<const Mount> MountOf(const std::string& path) const {
    {
      MutexLock lock(&mutex_);
      if (std::shared_ptr<const Mount> mount = index_.MountBeingDisabled(path)) return mount;
    }
    std::optional<Route> route = router_->Find(path);
    const bool found = route && route->mount->engine != nullptr && route->mount->entry.path == path;
    return found ? std::move(route->mount) : nullptr;
  }

  SteadyTime Deadline() const { return clock_->Steady() + limits_.max_request_duration; }

  void AskToRevoke(std::shared_ptr<const Mount> mount, const LeaseRecord& record, Done done) {
    Request request = LeaseRequest(mount->entry, record, Operation::kRevoke, Deadline());
    work_.Ask(std::move(mount), std::move(request),
              [done = std::move(done)](const Mount&, const absl::StatusOr<Reply>& reply) mutable {
                done(Outcome(reply));
              });
  }

  const MountRouter* const router_;
  LeaseStore store_;
  const Clock* const clock_;
  const Limits limits_;
  const Logger logger_;
  LeaseWork work_;
  Counter& failures_;
  // Taken after a record's lock.
  mutable Mutex mutex_;
  LeaseIndex index_ ABSL_GUARDED_BY(mutex_);
  // By the id of the lease whose revocation they wait for.
  std::map<std::string, std::vector<Done>, std::less<>> waiting_ ABSL_GUARDED_BY(mutex_);
  LeaseTimers timers_ ABSL_GUARDED_BY(mutex_);
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace

std::unique_ptr<LeaseManager> LeaseManager::Create(Dependencies dependencies) {
  return std::make_unique<LeaseManagerImpl>(std::move(dependencies));
}

}  // namespace belfry::mounts
