#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <thread>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/metrics.h"
#include "base/scheduler.h"
#include "server/bus/bus.h"
#include "server/http/session_context.h"
#include "server/journal/journal.h"
#include "server/seal/barrier.h"
#include "server/storage/storage.h"
#include "server/subscriptions/followers.h"
#include "server/subscriptions/subscriptions.h"
#include "tests/simulation/bug.h"
#include "tests/simulation/facts.h"
#include "tests/simulation/faulty_disk.h"
#include "tests/simulation/policies.h"
#include "tests/simulation/random.h"
#include "tests/simulation/seeded_executor.h"
#include "tests/simulation/turns.h"

namespace belfry::simulation {

// What a server finds when it starts, and what all its lives have in common; all outlive it.
struct ServerEnvironment {
  FaultyDisk* disk = nullptr;
  FakeClock* clock = nullptr;
  Scheduler* scheduler = nullptr;
  SeededExecutor* executor = nullptr;
  Random* random = nullptr;
  Policies* policies = nullptr;
  Facts* facts = nullptr;
  Turns* turns = nullptr;
  Bug bug = Bug::kNone;
  // So many of a thousand writes end as no write should.
  std::uint64_t write_faults = 0;
  Limits limits;
  journal::Retention retention;
};

// One life of the server: the real objects from the sessions down to the barrier, over a disk that
// fails, as server/core.cc puts them together. Where a thread could run between two of their steps
// the environment's turns are asked. Not thread-safe.
class Server {
 public:
  Server(const ServerEnvironment& environment, const seal::Keyring& keyring,
         const seal::SecretBytes& root_key);
  ~Server();

  // To be called first.
  absl::Status Start();
  // Whether the process is gone, or the power: nothing that is done here counts any more.
  bool crashed() const { return crashed_; }
  void Crash() { crashed_ = true; }

  const journal::Journal& journal() const { return journal_; }
  http::SessionContext& session_context() { return session_context_; }
  absl::StatusOr<std::optional<std::string>> Get(std::string_view key) const;

  // Whether Commit may be called now. While one is under way a change joins the write after it;
  // what joins later, or has no changes, would be another thread's.
  bool IsCommitting() const { return committing_; }
  bool MayCommitChanges() const { return !committing_ || writes_ == 1; }
  void Commit(storage::WriteBatch batch, storage::Storage::Done done);
  void Trim();

  absl::StatusOr<subscriptions::OpenedSubscription> Open(
      subscriptions::Request request, std::shared_ptr<subscriptions::Subscriber> subscriber);
  // Ends all subscriptions, as a server that is sealed.
  void EndSubscriptions() { subscribers_.EndAll("the server is sealed"); }

  // Of what was published each part must have been counted as something, once nothing waits.
  struct Counts {
    std::uint64_t published = 0;
    std::uint64_t accounted = 0;
  };
  Counts counts() const;

 private:
  class Door;
  class Log;
  class Observer;
  class WorkingClock;

  absl::Status ChooseEpoch();
  void OnRecord();
  void OnWrite();

  const ServerEnvironment environment_;
  const std::thread::id thread_ = std::this_thread::get_id();
  bool crashed_ = false;
  bool started_ = false;
  bool committing_ = false;
  // Of the commit under way, from when the first of its records is made.
  int writes_ = 0;
  bool recorded_ = false;  // The next one has its records.

  const std::unique_ptr<Metrics> metrics_ = NewMetrics();
  seal::Barrier barrier_;
  const std::unique_ptr<Door> door_;
  const std::unique_ptr<WorkingClock> clock_;
  http::SessionContext session_context_;
  subscriptions::Subscribers subscribers_;
  const std::unique_ptr<bus::Bus> bus_;
  journal::Journal journal_;
  subscriptions::Followers followers_;
  const std::unique_ptr<Observer> observer_;
  const std::unique_ptr<Log> log_;
  const std::unique_ptr<storage::Storage> storage_;
};

}  // namespace belfry::simulation
