#include "server/storage/committer.h"

#include <algorithm>
#include <cstdint>
#include <deque>
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
  Committer(PhysicalStorage* physical, EventObserver* observer)
      : physical_(physical),
        observer_(observer),
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
      Pending* const one = &pending;
      pending.done(Store({&one, 1}));
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

  // True: the caller is to commit, and to call End. False: the batch waits for whoever does.
  bool Begin(Pending& pending) {
    {
      MutexLock lock(&mutex_);
      const bool is_change = !pending.batch.operations.empty();
      const bool idle = state_ == State::kIdle;
      if (idle && !(is_change && writes_wait_)) {
        state_ = State::kInPlace;
        return true;
      }
      (is_change ? changes_ : events_).push_back(std::move(pending));
      if (!idle) return false;
      state_ = State::kThread;
    }
    changed_.NotifyOne();
    return false;
  }

  // What came while this thread committed, once: nearly always that is all, and no other thread has
  // to be woken.
  void CommitWaitingChanges() {
    std::deque<Pending> changes;
    {
      MutexLock lock(&mutex_);
      changes.swap(changes_);
    }
    if (!changes.empty()) CommitAll(std::move(changes));
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
      std::deque<Pending> changes;
      std::optional<Pending> events;
      {
        MutexLock lock(&mutex_);
        if (state_ == State::kThread && changes_.empty() && events_.empty()) state_ = State::kIdle;
        while (state_ != State::kThread && !ending_) changed_.Wait(&mutex_);
        if (state_ != State::kThread) return;
        changes.swap(changes_);
        if (!events_.empty()) {
          events = std::move(events_.front());
          events_.pop_front();
        }
      }
      if (!changes.empty()) CommitAll(std::move(changes));
      if (events) CommitPart(*std::move(events));
    }
  }

  void CommitAll(std::deque<Pending> changes) {
    std::vector<Pending*> together;
    together.reserve(changes.size());
    for (Pending& pending : changes) together.push_back(&pending);
    const absl::Status status = Store(together);
    if (finisher_ != nullptr && (finisher_->busy() || ChangesWait())) {
      finisher_->Finish(std::move(changes), status);
      return;
    }
    for (Pending& pending : changes) pending.done(status);
  }

  // Writes them as one, and publishes their events.
  absl::Status Store(std::span<Pending* const> together) {
    std::vector<WriteBatch*> batches;
    batches.reserve(together.size());
    for (Pending* const pending : together) batches.push_back(&pending->batch);
    absl::Status status = physical_->Write(batches);
    if (!status.ok()) return status;
    for (Pending* const pending : together) Tell(*pending, pending->batch.events.size());
    return status;
  }

  bool ChangesWait() {
    MutexLock lock(&mutex_);
    return !changes_.empty();
  }

  // Of a batch without operations. The rest of it has its turn after those that wait.
  void CommitPart(Pending pending) {
    Tell(pending, observer_ == nullptr ? pending.batch.events.size()
                                       : std::max<std::size_t>(observer_->MostEventsAtOnce(), 1));
    if (pending.complete()) return FinishAlone(std::move(pending));
    MutexLock lock(&mutex_);
    events_.push_back(std::move(pending));
  }

  void FinishAlone(Pending pending) {
    if (finisher_ == nullptr || !finisher_->busy()) return pending.done(absl::OkStatus());
    std::deque<Pending> alone;
    alone.push_back(std::move(pending));
    finisher_->Finish(std::move(alone), absl::OkStatus());
  }

  // The next events of the batch get their places and go to the observer.
  void Tell(Pending& pending, std::size_t most) {
    const std::span<AcceptedEvent> left = std::span(pending.batch.events).subspan(pending.told);
    const std::span<AcceptedEvent> next = left.first(std::min(most, left.size()));
    if (next.empty()) return;
    for (AcceptedEvent& event : next) event.cursor = ++last_cursor_;
    pending.told += next.size();
    if (observer_ != nullptr) observer_->OnEvents(next);
  }

  PhysicalStorage* const physical_;
  EventObserver* const observer_;
  const bool writes_wait_;
  std::unique_ptr<Finisher> finisher_;  // Null where writes do not wait.
  std::uint64_t last_cursor_ = 0;       // Of the thread that commits.
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
  explicit InMemoryStorage(EventObserver* observer) : Committer(physical.get(), observer) {}
};

}  // namespace

std::unique_ptr<Storage> NewCommitter(PhysicalStorage* physical, EventObserver* observer) {
  return std::make_unique<Committer>(physical, observer);
}

std::unique_ptr<Storage> NewInMemoryStorage(EventObserver* observer) {
  return std::make_unique<InMemoryStorage>(observer);
}

}  // namespace belfry::storage
