#include "server/mounts/lease_manager.h"

#include <algorithm>
#include <array>
#include <functional>
#include <future>
#include <map>
#include <set>
#include <utility>

#include "base/ids.h"
#include "base/mutex.h"
#include "base/text.h"
#include "base/wait_group.h"
#include "server/mounts/lease_record.h"
#include "server/mounts/lease_requests.h"
#include "server/mounts/lease_terms.h"

namespace belfry::mounts {
namespace {

constexpr std::size_t kIdLength = 24;
constexpr std::size_t kRecordLocks = 64;

// The part of a lease's id that no other has.
std::string_view KeyOf(std::string_view id) {
  return id.substr(id.rfind('/') + 1);
}

std::string NewId(const Mount& mount, std::string_view path) {
  while (path.ends_with('/')) path.remove_suffix(1);
  return Concat({mount.entry.path, path, path.empty() ? "" : "/", RandomBase62(kIdLength)});
}

absl::Status Expired() {
  return absl::FailedPreconditionError("lease expired");
}

absl::Status Stopping() {
  return absl::UnavailableError("the server is stopping");
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
      : view_(storage::NewView(dependencies.storage, "sys/expire/id/")),
        clock_(dependencies.clock),
        scheduler_(dependencies.scheduler),
        executor_(dependencies.executor),
        limits_(dependencies.limits),
        logger_(std::move(dependencies.logger)),
        active_(GaugeOf(*dependencies.metrics, "active")),
        revoking_(GaugeOf(*dependencies.metrics, "revoking")),
        failed_(GaugeOf(*dependencies.metrics, "failed")),
        groups_gauge_(dependencies.metrics->GetGauge("belfry_lease_mounts",
                                                     "Mounts that have leases to be revoked.")),
        failures_(dependencies.metrics->GetCounter("belfry_lease_revocation_failures_total",
                                                   "Revocations that are to be tried again.")) {}

  ~LeaseManagerImpl() override { Stop(); }

  absl::Status Start(const MountTable* mounts) override {
    mounts_ = mounts;
    const absl::StatusOr<std::vector<std::string>> keys = view_->List("");
    if (!keys.ok()) return keys.status();
    for (const std::string& key : *keys) {
      const absl::StatusOr<LeaseRecord> record = Load(key);
      if (record.ok()) {
        MutexLock lock(&mutex_);
        Track(*record);
      } else {
        logger_.Error("failed to restore lease", {{"lease", key}, {"error", Text(record)}});
      }
    }
    Arm();
    return absl::OkStatus();
  }

  void Stop() override {
    std::unique_ptr<Timer> timer;
    std::unique_ptr<Timer> retry_timer;
    {
      MutexLock lock(&mutex_);
      stopped_ = true;
      timer = std::move(timer_);
      retry_timer = std::move(retry_timer_);
    }
    timer.reset();
    retry_timer.reset();
    work_.Wait();
    std::vector<Done> waiting;
    {
      MutexLock lock(&mutex_);
      for (auto& [id, entry] : entries_) {
        for (Done& done : entry.waiting) waiting.push_back(std::move(done));
        entry.waiting.clear();
      }
    }
    for (Done& done : waiting) done(Stopping());
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
    record.lease.ttl = GrantedTtl(mount->entry, record.lease);
    record.expires = record.lease.issued + record.lease.ttl;
    Run([this, mount = std::move(mount), record = std::move(record),
         granted = std::move(granted)]() mutable {
      Keep(std::move(mount), std::move(record), std::move(granted));
    });
  }

  std::optional<LeaseInfo> LookUp(std::string_view id) const override {
    MutexLock lock(&mutex_);
    const auto it = entries_.find(id);
    if (it == entries_.end()) return std::nullopt;
    const Entry& entry = it->second;
    LeaseInfo info{.id = it->first,
                   .issued = entry.issued,
                   .expires = entry.expires,
                   .last_renewal = entry.last_renewal,
                   .renewable = entry.renewable && !entry.condemned,
                   .failures = entry.failures,
                   .last_failure = entry.last_failure};
    if (entry.failures > 0) info.next_attempt = NextAttempt(entry);
    return info;
  }

  std::vector<std::string> List(std::string_view prefix) const override {
    std::vector<std::string> names;
    MutexLock lock(&mutex_);
    auto it = entries_.lower_bound(prefix);
    while (it != entries_.end() && it->first.starts_with(prefix)) {
      const std::string_view rest = std::string_view(it->first).substr(prefix.size());
      const std::size_t slash = rest.find('/');
      if (slash == std::string_view::npos) {
        names.emplace_back(rest);
        ++it;
      } else {
        names.emplace_back(rest.substr(0, slash + 1));
        // '0' follows '/': skips everything else in the folder.
        it = entries_.lower_bound(Concat({prefix, rest.substr(0, slash), "0"}));
      }
    }
    return names;
  }

  void Renew(std::string_view id, absl::Duration increment, Renewed renewed) override {
    if (absl::Status refused = BeginRenewal(id); !refused.ok()) return renewed(refused);
    Run([this, id = std::string(id), increment, renewed = std::move(renewed)]() mutable {
      absl::StatusOr<LeaseRecord> record = Load(id);
      if (!record.ok()) return EndRenewal(id, record.status(), std::move(renewed));
      record->lease.increment = increment;
      AskToRenew(*std::move(record), std::move(renewed));
    });
  }

  void Revoke(LeaseScope scope, RevokeMode mode, Done done) override {
    Run([this, scope = std::move(scope), mode, done = std::move(done)]() mutable {
      const std::vector<std::string> ids = Matching(scope);
      if (ids.empty()) return done(absl::OkStatus());
      if (mode != RevokeMode::kQueue) return RevokeNow(ids, mode, std::move(done));
      // First, so that no renewal stores a later end.
      RememberRevocations(ids);
      absl::Status noted;
      for (const std::string& id : ids) noted.Update(NoteEnd(id));
      RevokeNow(ids, mode, [](const absl::Status&) {});
      done(noted);
    });
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
      GroupOf(mount.entry.path)->second.leaving = leaving;
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
      const auto group = groups_.find(mount.entry.path);
      group->second.leaving = nullptr;
      FreeIfUnused(group);
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
  // The leases of one mount, which hold up no other's.
  struct Group {
    std::set<std::pair<absl::Time, std::string>> due;  // Those in State::kWaiting, by Entry::due.
    // Those in State::kRetrying, by Entry::retry.
    std::set<std::pair<SteadyTime, std::string>> retries;
    std::size_t leases = 0;
    int revoking = 0;
    std::shared_ptr<const Mount> leaving;  // Null while the mount table has it.
  };
  // By the path of the mount.
  using Groups = std::map<std::string, Group, std::less<>>;
  enum class State { kWaiting, kRetrying, kRenewing, kRevoking };
  struct Entry {
    Groups::iterator group;
    std::string token_accessor;
    Gauge* gauge = nullptr;  // That counts it.
    absl::Time issued;
    absl::Time expires;
    std::optional<absl::Time> last_renewal;
    bool renewable = false;
    State state = State::kWaiting;
    absl::Time due;          // When it is to be revoked.
    SteadyTime retry;        // When that is to be tried again.
    bool condemned = false;  // To be revoked in any case.
    bool force = false;
    int failures = 0;
    std::string last_failure;
    std::vector<Done> waiting;  // For the end of its revocation.
  };

  static Gauge& GaugeOf(Metrics& metrics, const char* state) {
    return metrics.GetGauge("belfry_leases", "Leases of secrets and of tokens, by state.",
                            {{"state", state}});
  }

  static std::string Text(const absl::StatusOr<LeaseRecord>& record) {
    return std::string(ToStd(record.status().message()));
  }

  static void Count(Entry& entry, Gauge* gauge) {
    if (entry.gauge != nullptr) entry.gauge->Add(-1);
    entry.gauge = gauge;
    if (gauge != nullptr) gauge->Add(1);
  }

  // Stop waits for it.
  void Run(absl::AnyInvocable<void()> work) {
    work_.Add();
    executor_->PostAlways([this, work = std::move(work)]() mutable {
      work();
      work = nullptr;
      work_.Done();
    });
  }

  absl::StatusOr<LeaseRecord> Load(std::string_view id) const {
    const absl::StatusOr<std::optional<std::string>> text = view_->Get(KeyOf(id));
    if (!text.ok()) return text.status();
    if (!*text) return absl::DataLossError("the lease is missing in storage");
    return FromStoredText(**text);
  }

  absl::Status Store(const LeaseRecord& record) {
    return view_->Put(KeyOf(record.lease.id), StoredText(record));
  }

  bool Stopped() const {
    MutexLock lock(&mutex_);
    return stopped_;
  }

  void Keep(std::shared_ptr<const Mount> mount, LeaseRecord record, Granted granted) {
    const absl::Status stored = Stopped() ? Stopping() : Store(record);
    if (!stored.ok()) {
      // Nobody would ever revoke it.
      logger_.Error("cannot keep a lease; its secret is revoked",
                    {{"lease", record.lease.id}, {"error", std::string(stored.message())}});
      AskToRevoke(
          std::move(mount), std::move(record),
          [stored, granted = std::move(granted)](const absl::Status&) mutable { granted(stored); });
      return;
    }
    {
      MutexLock lock(&mutex_);
      Track(record);
    }
    Arm();
    granted(std::move(record.lease));
  }

  void Track(const LeaseRecord& record) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    const auto it = entries_.try_emplace(record.lease.id).first;
    Entry& entry = it->second;
    entry.group = GroupOf(record.mount);
    ++entry.group->second.leases;
    entry.token_accessor = record.token_accessor;
    if (!entry.token_accessor.empty()) by_token_[entry.token_accessor].insert(record.lease.id);
    entry.issued = record.lease.issued;
    TakeOver(record, entry);
    Count(entry, &active_);
    WaitFor(entry.expires, *it);
  }

  static void TakeOver(const LeaseRecord& record, Entry& entry) {
    entry.expires = record.expires;
    entry.last_renewal = record.last_renewal;
    entry.renewable = record.lease.renewable;
  }

  void WaitFor(absl::Time due, std::pair<const std::string, Entry>& lease)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    lease.second.state = State::kWaiting;
    lease.second.due = due;
    lease.second.group->second.due.emplace(due, lease.first);
  }

  void RetryAfter(absl::Duration delay, std::pair<const std::string, Entry>& lease)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    lease.second.state = State::kRetrying;
    lease.second.retry = clock_->Steady() + delay;
    lease.second.group->second.retries.emplace(lease.second.retry, lease.first);
  }

  // A lease that waits, for its time or for another try, goes on to `state`.
  static void WaitNoMore(const std::string& id, Entry& entry, State state) {
    Group& group = entry.group->second;
    if (entry.state == State::kWaiting) group.due.erase({entry.due, id});
    if (entry.state == State::kRetrying) group.retries.erase({entry.retry, id});
    entry.state = state;
  }

  // For people: by the wall clock.
  absl::Time NextAttempt(const Entry& entry) const {
    if (entry.state != State::kRetrying) return clock_->Now();
    return clock_->Now() + (entry.retry - clock_->Steady());
  }

  Groups::iterator GroupOf(const std::string& mount) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    const auto [group, made] = groups_.try_emplace(mount);
    if (made) groups_gauge_.Add(1);
    return group;
  }

  void FreeIfUnused(Groups::iterator group) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (group->second.leases > 0 || group->second.leaving != nullptr) return;
    groups_.erase(group);
    groups_gauge_.Add(-1);
  }

  // Wakes up when the next lease is due.
  void Arm() {
    std::unique_ptr<Timer> old;  // Called off without the lock.
    std::unique_ptr<Timer> old_retry;
    MutexLock lock(&mutex_);
    if (stopped_) return;
    absl::Time next = absl::InfiniteFuture();
    SteadyTime retry = SteadyTime::InfiniteFuture();
    for (const auto& [mount, group] : groups_) {
      if (group.revoking >= limits_.max_revocations_at_once) continue;
      if (!group.due.empty()) next = std::min(next, group.due.begin()->first);
      if (!group.retries.empty()) retry = std::min(retry, group.retries.begin()->first);
    }
    const auto tick = [this] { Run([this] { Tick(); }); };
    if (next != armed_for_) {
      armed_for_ = next;
      old = std::move(timer_);
      if (next != absl::InfiniteFuture()) timer_ = scheduler_->At(next, tick);
    }
    if (retry != retry_armed_for_) {
      retry_armed_for_ = retry;
      old_retry = std::move(retry_timer_);
      if (retry != SteadyTime::InfiniteFuture())
        retry_timer_ = scheduler_->After(retry - clock_->Steady(), tick);
    }
  }

  // Revokes what is due, of each mount no more at once than it may.
  void Tick() {
    std::vector<std::string> due;
    {
      MutexLock lock(&mutex_);
      armed_for_ = absl::InfiniteFuture();
      retry_armed_for_ = SteadyTime::InfiniteFuture();
      if (stopped_) return;
      for (auto& [mount, group] : groups_) TakeDue(group, due);
    }
    for (const std::string& id : due) StartRevocation(id);
    Arm();
  }

  // The id of one; nothing when none is.
  std::optional<std::string> NextDue(const Group& group) const {
    if (!group.due.empty() && group.due.begin()->first <= clock_->Now())
      return group.due.begin()->second;
    if (!group.retries.empty() && group.retries.begin()->first <= clock_->Steady())
      return group.retries.begin()->second;
    return std::nullopt;
  }

  void TakeDue(Group& group, std::vector<std::string>& ids) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    while (group.revoking < limits_.max_revocations_at_once) {
      const std::optional<std::string> due = NextDue(group);
      if (!due) return;
      const std::string& id = *due;
      Entry& entry = entries_.at(id);
      WaitNoMore(id, entry, State::kRevoking);
      entry.condemned = true;
      Count(entry, &revoking_);
      ++group.revoking;
      ids.push_back(id);
    }
  }

  void StartRevocation(const std::string& id) {
    absl::StatusOr<LeaseRecord> record = LoadAndNoteEnd(id);
    if (!record.ok()) return EndRevocation(id, record.status());
    std::shared_ptr<const Mount> mount = MountOf(record->mount);
    if (mount == nullptr)
      return EndRevocation(id, absl::UnavailableError(Concat({"no mount at ", record->mount})));
    AskToRevoke(std::move(mount), *std::move(record),
                [this, id](const absl::Status& result) { EndRevocation(id, result); });
  }

  // So that another start of the host knows that the lease is over.
  absl::StatusOr<LeaseRecord> LoadAndNoteEnd(const std::string& id) {
    MutexLock one_changes(&RecordLock(id));
    absl::StatusOr<LeaseRecord> record = Load(id);
    const absl::Time now = clock_->Now();
    if (!record.ok() || record->expires <= now) return record;
    record->expires = now;
    if (absl::Status stored = Store(*record); !stored.ok()) return stored;
    return record;
  }

  // OK also when the lease has been revoked meanwhile.
  absl::Status NoteEnd(const std::string& id) {
    const absl::Status noted = LoadAndNoteEnd(id).status();
    return noted.ok() || Knows(id) ? noted : absl::OkStatus();
  }

  // Held while a lease's record is read and written, or deleted: between the two nobody else may,
  // or a deleted one comes back.
  Mutex& RecordLock(std::string_view id) {
    return record_locks_[std::hash<std::string_view>()(KeyOf(id)) % record_locks_.size()];
  }

  bool Knows(const std::string& id) const {
    MutexLock lock(&mutex_);
    return entries_.contains(id);
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
      MutexLock one_changes(&RecordLock(id));
      if (status.ok()) status = view_->Delete(KeyOf(id));
      MutexLock lock(&mutex_);
      const auto it = entries_.find(id);
      --it->second.group->second.revoking;
      it->second.waiting.swap(waiting);
      if (status.ok()) {
        Forget(it);
      } else {
        NoteFailure(status, *it);
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

  void Forget(std::map<std::string, Entry, std::less<>>::iterator it)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    Count(it->second, nullptr);
    if (const auto ids = by_token_.find(it->second.token_accessor); ids != by_token_.end()) {
      ids->second.erase(it->first);
      if (ids->second.empty()) by_token_.erase(ids);
    }
    const Groups::iterator group = it->second.group;
    entries_.erase(it);
    --group->second.leases;
    FreeIfUnused(group);
  }

  bool Forced(const std::string& id) const {
    MutexLock lock(&mutex_);
    return entries_.find(id)->second.force;
  }

  void NoteFailure(const absl::Status& status, std::pair<const std::string, Entry>& lease)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    Entry& entry = lease.second;
    absl::Duration delay = limits_.lease_min_retry_delay;
    for (int i = 0; i < entry.failures && delay < limits_.lease_max_retry_delay; ++i) delay *= 2;
    ++entry.failures;
    entry.last_failure = std::string(status.message());
    Count(entry, &failed_);
    RetryAfter(std::min(delay, limits_.lease_max_retry_delay), lease);
  }

  std::vector<std::string> Matching(const LeaseScope& scope) const {
    std::vector<std::string> ids;
    MutexLock lock(&mutex_);
    if (!scope.token_accessor.empty()) {
      const auto of_token = by_token_.find(scope.token_accessor);
      if (of_token != by_token_.end()) ids.assign(of_token->second.begin(), of_token->second.end());
      return ids;
    }
    if (entries_.contains(scope.id_or_prefix)) return {scope.id_or_prefix};
    if (!scope.prefix) return ids;
    const std::string folder =
        Concat({scope.id_or_prefix, scope.id_or_prefix.ends_with('/') ? "" : "/"});
    for (auto it = entries_.lower_bound(folder);
         it != entries_.end() && it->first.starts_with(folder); ++it) {
      ids.push_back(it->first);
    }
    return ids;
  }

  // Has them revoked as soon as their mounts may; those of a failure before at once, too.
  void RevokeNow(const std::vector<std::string>& ids, RevokeMode mode, Done done) {
    auto countdown = std::make_shared<Countdown>(ids.size(), std::move(done));
    std::size_t gone = 0;
    bool stopped = false;
    {
      MutexLock lock(&mutex_);
      stopped = stopped_;
      for (const std::string& id : ids) {
        const auto it = entries_.find(id);
        if (stopped || it == entries_.end()) {
          ++gone;
          continue;
        }
        it->second.waiting.emplace_back(
            [countdown](const absl::Status& status) { countdown->Note(status); });
        it->second.force |= mode == RevokeMode::kForce;
        MarkForRevocation(*it);
      }
    }
    for (; gone > 0; --gone) countdown->Note(stopped ? Stopping() : absl::OkStatus());
    Arm();
  }

  // To be revoked, although nobody does it yet: a renewal under way does not save them.
  void RememberRevocations(const std::vector<std::string>& ids) {
    MutexLock lock(&mutex_);
    for (const std::string& id : ids) {
      if (const auto it = entries_.find(id); it != entries_.end()) Mark(it->second);
    }
  }

  void Mark(Entry& entry) const {
    entry.condemned = true;
    entry.expires = std::min(entry.expires, clock_->Now());
  }

  void MarkForRevocation(std::pair<const std::string, Entry>& lease)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    Entry& entry = lease.second;
    Mark(entry);
    if (entry.state != State::kWaiting && entry.state != State::kRetrying) return;
    Count(entry, &revoking_);
    WaitNoMore(lease.first, entry, State::kWaiting);
    WaitFor(absl::InfinitePast(), lease);
  }

  absl::Status BeginRenewal(std::string_view id) {
    MutexLock lock(&mutex_);
    if (stopped_) return Stopping();
    const auto it = entries_.find(id);
    if (it == entries_.end()) return absl::NotFoundError("lease not found");
    Entry& entry = it->second;
    if (!entry.renewable) return absl::FailedPreconditionError("lease is not renewable");
    if (entry.condemned || entry.expires <= clock_->Now()) return Expired();
    if (entry.state == State::kRenewing)
      return absl::AbortedError("another renewal of the lease is under way; try again");
    WaitNoMore(it->first, entry, State::kRenewing);
    return absl::OkStatus();
  }

  void AskToRenew(LeaseRecord record, Renewed renewed) {
    std::shared_ptr<const Mount> mount = MountOf(record.mount);
    if (mount == nullptr) {
      return EndRenewal(record.lease.id,
                        absl::UnavailableError(Concat({"no mount at ", record.mount})),
                        std::move(renewed));
    }
    Request request = LeaseRequest(mount->entry, record, Operation::kRenew, Deadline());
    Ask(std::move(mount), std::move(request),
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
      const absl::StatusOr<absl::Duration> ttl =
          RenewedTtl(entry, *response.lease, record.lease.increment, record.lease.issued, now);
      if (!ttl.ok()) return ttl.status();
      record.lease.ttl = *ttl;
      record.lease.max_ttl = response.lease->max_ttl;
      record.lease.renewable = response.lease->renewable;
      if (!response.lease->internal_data.empty())
        record.lease.internal_data = std::move(response.lease->internal_data);
      record.expires = now + *ttl;
      record.last_renewal = now;
      if (absl::Status stored = StoreRenewal(record); !stored.ok()) return stored;
    }
    response.lease = std::move(record.lease);
    response.lease->ttl = record.expires - now;
    return response;
  }

  absl::Status StoreRenewal(const LeaseRecord& record) {
    MutexLock one_changes(&RecordLock(record.lease.id));
    {
      MutexLock lock(&mutex_);
      if (entries_.find(record.lease.id)->second.condemned) return Expired();
    }
    if (absl::Status stored = Store(record); !stored.ok()) return stored;
    MutexLock lock(&mutex_);
    Entry& entry = entries_.find(record.lease.id)->second;
    if (!entry.condemned) TakeOver(record, entry);
    return absl::OkStatus();
  }

  void EndRenewal(const std::string& id, absl::StatusOr<Response> result, Renewed renewed) {
    {
      MutexLock lock(&mutex_);
      const auto it = entries_.find(id);
      const bool condemned = it->second.condemned;
      if (condemned) Count(it->second, &revoking_);
      // Whatever the engine has said: it is revoked next.
      if (condemned && result.ok()) result = Expired();
      WaitFor(condemned ? absl::InfinitePast() : it->second.expires, *it);
    }
    Arm();
    renewed(std::move(result));
  }

  // Null while there is none.
  std::shared_ptr<const Mount> MountOf(const std::string& path) const {
    {
      MutexLock lock(&mutex_);
      const auto group = groups_.find(path);
      if (group != groups_.end() && group->second.leaving != nullptr) return group->second.leaving;
    }
    std::optional<Route> route = mounts_->Find(path);
    const bool found = route && route->mount->engine != nullptr && route->mount->entry.path == path;
    return found ? std::move(route->mount) : nullptr;
  }

  SteadyTime Deadline() const { return clock_->Steady() + limits_.max_request_duration; }

  // Any thread; `done` runs on the executor.
  void Ask(std::shared_ptr<const Mount> mount, Request request,
           absl::AnyInvocable<void(const Mount&, absl::StatusOr<Reply>)> done) {
    work_.Add();
    Engine* const engine = mount->engine;
    engine->Handle(std::move(request), [this, mount = std::move(mount), done = std::move(done)](
                                           absl::StatusOr<Reply> reply) mutable {
      Run([mount = std::move(mount), done = std::move(done), reply = std::move(reply)]() mutable {
        done(*mount, std::move(reply));
      });
      work_.Done();
    });
  }

  void AskToRevoke(std::shared_ptr<const Mount> mount, LeaseRecord record, Done done) {
    Request request = LeaseRequest(mount->entry, record, Operation::kRevoke, Deadline());
    Ask(std::move(mount), std::move(request),
        [done = std::move(done)](const Mount&, const absl::StatusOr<Reply>& reply) mutable {
          done(Outcome(reply));
        });
  }

  const std::unique_ptr<storage::Storage> view_;
  const Clock* const clock_;
  Scheduler* const scheduler_;
  Executor* const executor_;
  const Limits limits_;
  const Logger logger_;
  Gauge& active_;
  Gauge& revoking_;
  Gauge& failed_;
  Gauge& groups_gauge_;
  Counter& failures_;
  const MountTable* mounts_ = nullptr;
  WaitGroup work_;  // What runs on the executor, and what engines have been asked.
  std::array<Mutex, kRecordLocks> record_locks_;  // Taken before mutex_. See RecordLock.
  mutable Mutex mutex_;
  std::map<std::string, Entry, std::less<>> entries_ ABSL_GUARDED_BY(mutex_);
  Groups groups_ ABSL_GUARDED_BY(mutex_);  // Those with leases, or leaving.
  // Ids by the accessor of the token that asked.
  std::map<std::string, std::set<std::string>, std::less<>> by_token_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<Timer> timer_ ABSL_GUARDED_BY(mutex_);
  absl::Time armed_for_ ABSL_GUARDED_BY(mutex_) = absl::InfiniteFuture();
  std::unique_ptr<Timer> retry_timer_ ABSL_GUARDED_BY(mutex_);
  SteadyTime retry_armed_for_ ABSL_GUARDED_BY(mutex_) = SteadyTime::InfiniteFuture();
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace

std::unique_ptr<LeaseManager> LeaseManager::Create(Dependencies dependencies) {
  return std::make_unique<LeaseManagerImpl>(std::move(dependencies));
}

}  // namespace belfry::mounts
