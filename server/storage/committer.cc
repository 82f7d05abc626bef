#include "server/storage/committer.h"

#include <algorithm>
#include <cstdint>
#include <deque>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "base/mutex.h"

namespace belfry::storage {
namespace {

absl::Status CheckKey(std::string_view key) {
  if (key.find("..") == std::string_view::npos) return absl::OkStatus();
  return absl::InvalidArgumentError("relative paths not supported");
}

absl::Status Check(const WriteBatch& batch) {
  for (const Operation& operation : batch.operations) {
    if (absl::Status status = CheckKey(operation.key); !status.ok()) return status;
  }
  return absl::OkStatus();
}

// A batch on its way.
struct Pending {
  WriteBatch batch;
  Storage::Done done;
  std::size_t told = 0;  // Of its events.

  bool complete() const { return told == batch.events.size(); }
};

// What is committed at once: a batch, or, of one without operations, its next events.
struct Part {
  Pending* pending = nullptr;
  std::span<AcceptedEvent> events;
};

Part Whole(Pending& pending) {
  return {.pending = &pending, .events = pending.batch.events};
}

Part NextOf(Pending& pending, std::size_t most) {
  const std::span<AcceptedEvent> left = std::span(pending.batch.events).subspan(pending.told);
  return {.pending = &pending, .events = left.first(std::min(most, left.size()))};
}

// Runs what is to be done after commits, in their order, on a thread of its own: to answer those
// who wait takes as long as a write to the disk, and the next one need not wait for it.
class Finisher {
 public:
  ~Finisher() {
    {
      MutexLock lock(&mutex_);
      ending_ = true;
    }
    changed_.NotifyOne();
    thread_.join();
  }

  // Whether something that was given to it has not been done yet.
  bool busy() const {
    MutexLock lock(&mutex_);
    return busy_;
  }

  void Finish(std::deque<Pending> committed, const absl::Status& status) {
    {
      MutexLock lock(&mutex_);
      waiting_.push_back({std::move(committed), status});
      busy_ = true;
    }
    changed_.NotifyOne();
  }

 private:
  struct Write {
    std::deque<Pending> committed;
    absl::Status status;
  };

  void Run() {
    for (;;) {
      std::deque<Write> writes;
      {
        MutexLock lock(&mutex_);
        busy_ = !waiting_.empty();
        while (waiting_.empty() && !ending_) changed_.Wait(&mutex_);
        if (waiting_.empty()) return;
        writes.swap(waiting_);
      }
      for (Write& write : writes) {
        for (Pending& pending : write.committed) pending.done(write.status);
      }
    }
  }

  mutable Mutex mutex_;
  CondVar changed_;
  std::deque<Write> waiting_ ABSL_GUARDED_BY(mutex_);
  bool busy_ ABSL_GUARDED_BY(mutex_) = false;
  bool ending_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_{[this] { Run(); }};  // Last: it uses the rest.
};

class Committer : public Storage {
 public:
  Committer(PhysicalStorage* physical, EventObserver* observer, EventLog* log)
      : physical_(physical),
        observer_(observer),
        log_(log),
        writes_wait_(physical->WritesWait()),
        finisher_(writes_wait_ ? std::make_unique<Finisher>() : nullptr) {}

  ~Committer() override {
    {
      MutexLock lock(&mutex_);
      ending_ = true;
    }
    changed_.NotifyOne();
    thread_.join();
    // A Done may still read from this.
    finisher_.reset();
  }

  absl::StatusOr<std::optional<std::string>> Get(std::string_view key) const override {
    if (absl::Status status = CheckKey(key); !status.ok()) return status;
    return physical_->Get(key);
  }
  absl::StatusOr<std::vector<std::string>> List(std::string_view prefix) const override {
    if (absl::Status status = CheckKey(prefix); !status.ok()) return status;
    return physical_->List(prefix);
  }
  absl::StatusOr<std::vector<Entry>> Scan(std::string_view prefix, std::string_view after,
                                          std::size_t limit) const override {
    if (absl::Status status = CheckKey(prefix); !status.ok()) return status;
    return physical_->Scan(prefix, after, limit);
  }

  void Commit(WriteBatch batch, Done done) override {
    if (absl::Status bad = Check(batch); !bad.ok()) return done(bad);
    Pending pending{.batch = std::move(batch), .done = std::move(done)};
    if (!Begin(pending)) return;
    if (pending.batch.operations.empty()) {
      CommitPart(std::move(pending));
    } else {
      // Where no write waits, nothing is left to the finisher.
      const Part whole = Whole(pending);
      pending.done(Store({&whole, 1}));
    }
    if (!writes_wait_) CommitWaitingChanges();
    End();
  }

 private:
  enum class State {
    kIdle,
    kInPlace,  // By a thread that has brought a batch.
    kThread,   // By thread_, which goes on until nothing waits.
  };

  // What the thread commits at once.
  struct Turn {
    std::deque<Pending> changes;
    std::deque<Pending> events;
    std::vector<Part> parts;
  };

  // True: the caller is to commit, and to call End. False: the batch waits for whoever does.
  bool Begin(Pending& pending) {
    {
      MutexLock lock(&mutex_);
      const bool idle = state_ == State::kIdle;
      if (idle && !(writes_wait_ && IsWritten(pending.batch))) {
        state_ = State::kInPlace;
        return true;
      }
      (pending.batch.operations.empty() ? events_ : changes_).push_back(std::move(pending));
      if (!idle) return false;
      state_ = State::kThread;
    }
    changed_.NotifyOne();
    return false;
  }

  bool IsWritten(const WriteBatch& batch) const {
    return !batch.operations.empty() || (log_ != nullptr && !batch.events.empty());
  }

  // What came while this thread committed, once: nearly always that is all, and no other thread has
  // to be woken.
  void CommitWaitingChanges() {
    Turn turn;
    {
      MutexLock lock(&mutex_);
      turn.changes.swap(changes_);
    }
    if (!turn.changes.empty()) CommitTurn(std::move(turn));
  }

  // What has come since is the thread's: its callers must not make this one work for ever.
  void End() {
    {
      MutexLock lock(&mutex_);
      const bool more = !changes_.empty() || !events_.empty();
      state_ = more ? State::kThread : State::kIdle;
      if (!more) return;
    }
    changed_.NotifyOne();
  }

  void Run() {
    for (;;) {
      Turn turn;
      {
        MutexLock lock(&mutex_);
        if (state_ == State::kThread && changes_.empty() && events_.empty()) state_ = State::kIdle;
        while (state_ != State::kThread && !ending_) changed_.Wait(&mutex_);
        if (state_ != State::kThread) return;
        turn.changes.swap(changes_);
        TakeEvents(turn);
      }
      CommitTurn(std::move(turn));
    }
  }

  // Batches of events alone, as many as the observer wants at once; of the last one perhaps a part.
  void TakeEvents(Turn& turn) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    for (std::size_t most = MostEventsAtOnce(); most > 0 && !events_.empty();) {
      turn.events.push_back(std::move(events_.front()));
      events_.pop_front();
      const Part next = NextOf(turn.events.back(), most);
      most -= next.events.size();
      turn.parts.push_back(next);
    }
  }

  std::size_t MostEventsAtOnce() const {
    if (observer_ == nullptr) return std::numeric_limits<std::size_t>::max();
    return std::max<std::size_t>(observer_->MostEventsAtOnce(), 1);
  }

  void CommitTurn(Turn turn) {
    std::vector<Part> parts;
    parts.reserve(turn.changes.size() + turn.parts.size());
    for (Pending& pending : turn.changes) parts.push_back(Whole(pending));
    parts.insert(parts.end(), turn.parts.begin(), turn.parts.end());
    const absl::Status status = Store(parts);
    for (Pending& pending : turn.events) {
      if (status.ok() && !pending.complete()) {
        GoOnLater(std::move(pending));
      } else {
        turn.changes.push_back(std::move(pending));
      }
    }
    Finish(std::move(turn.changes), status);
  }

  // Of a batch without operations, by the thread that has brought it.
  void CommitPart(Pending pending) {
    const Part next = NextOf(pending, MostEventsAtOnce());
    const absl::Status status = Store({&next, 1});
    if (status.ok() && !pending.complete()) return GoOnLater(std::move(pending));
    std::deque<Pending> alone;
    alone.push_back(std::move(pending));
    Finish(std::move(alone), status);
  }

  // The rest of it has its turn after those that wait.
  void GoOnLater(Pending pending) {
    MutexLock lock(&mutex_);
    events_.push_back(std::move(pending));
  }

  void Finish(std::deque<Pending> committed, const absl::Status& status) {
    if (finisher_ != nullptr && (finisher_->busy() || SomethingWaits())) {
      finisher_->Finish(std::move(committed), status);
      return;
    }
    for (Pending& pending : committed) pending.done(status);
  }

  bool SomethingWaits() {
    MutexLock lock(&mutex_);
    return !changes_.empty() || !events_.empty();
  }

  // Writes them as one, and publishes their events.
  absl::Status Store(std::span<const Part> parts) {
    std::vector<WriteBatch*> batches;
    batches.reserve(parts.size() + 1);
    std::vector<std::span<AcceptedEvent>> events;
    for (const Part& part : parts) {
      if (!part.pending->batch.operations.empty()) batches.push_back(&part.pending->batch);
      if (!part.events.empty()) events.push_back(part.events);
    }
    WriteBatch records;
    if (log_ != nullptr && !events.empty()) {
      log_->Record(events, &records);
      batches.push_back(&records);
    }
    if (!batches.empty()) {
      if (absl::Status failed = physical_->Write(batches); !failed.ok()) return failed;
    }
    for (const Part& part : parts) part.pending->told += part.events.size();
    Tell(events);
    return absl::OkStatus();
  }

  void Tell(std::span<const std::span<AcceptedEvent>> events) {
    if (events.empty()) return;
    for (const std::span<AcceptedEvent> some : events) {
      if (log_ == nullptr) Number(some);
      if (observer_ != nullptr) observer_->OnEvents(some);
    }
    if (log_ != nullptr) log_->Keep(events);
  }

  void Number(std::span<AcceptedEvent> events) {
    for (AcceptedEvent& event : events) event.sequence = ++last_sequence_;
  }

  PhysicalStorage* const physical_;
  EventObserver* const observer_;
  EventLog* const log_;
  const bool writes_wait_;
  std::unique_ptr<Finisher> finisher_;  // Null where writes do not wait.
  std::uint64_t last_sequence_ = 0;     // Of the thread that commits, where there is no log.
  Mutex mutex_;
  CondVar changed_;
  State state_ ABSL_GUARDED_BY(mutex_) = State::kIdle;
  bool ending_ ABSL_GUARDED_BY(mutex_) = false;
  // Batches that wait: with operations, and without.
  std::deque<Pending> changes_ ABSL_GUARDED_BY(mutex_);
  std::deque<Pending> events_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_{[this] { Run(); }};  // Last: it uses the rest.
};

// Before the committer in InMemoryStorage, so that it goes after it.
struct OwnMemory {
  const std::unique_ptr<PhysicalStorage> physical = NewInMemoryPhysicalStorage();
};

class InMemoryStorage final : private OwnMemory, public Committer {
 public:
  explicit InMemoryStorage(EventObserver* observer)
      : Committer(physical.get(), observer, nullptr) {}
};

}  // namespace

std::unique_ptr<Storage> NewCommitter(PhysicalStorage* physical, EventObserver* observer,
                                      EventLog* log) {
  return std::make_unique<Committer>(physical, observer, log);
}

std::unique_ptr<Storage> NewInMemoryStorage(EventObserver* observer) {
  return std::make_unique<InMemoryStorage>(observer);
}

}  // namespace belfry::storage
