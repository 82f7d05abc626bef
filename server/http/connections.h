#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "base/mutex.h"
#include "server/http/strand.h"

namespace belfry::http {

// The one way into a connection for other threads. Once closed it forgets the strand, so that
// whoever still holds the mailbox cannot reach an io_context that is gone. Thread-safe.
class Mailbox {
 public:
  explicit Mailbox(Strand strand) : strand_(std::move(strand)) {}
  // Runs `work` on the strand; drops it when the mailbox is closed. Never runs it before it
  // returns.
  void Post(absl::AnyInvocable<void()> work);
  void Close();

 private:
  Mutex mutex_;
  std::optional<Strand> strand_ ABSL_GUARDED_BY(mutex_);
};

// Every open connection, so that the server can bound and end them. Thread-safe.
class Connections {
 public:
  // How many there may be. Each counts until its socket is closed.
  struct Bounds {
    std::size_t staying = 0;
    std::size_t leaving = 0;  // Beside those: that were evicted, or only came to be refused.
  };
  explicit Connections(Bounds bounds) : bounds_(bounds) {}

  // Keeps a connection registered, and is to be dropped after its socket; it must not outlive the
  // Connections.
  class Registration {
   public:
    Registration(Connections* connections, std::uint64_t id) : connections_(connections), id_(id) {}
    ~Registration();
    Registration(const Registration&) = delete;
    Registration& operator=(const Registration&) = delete;
    // What is to run on the connection's strand when the server ends, perhaps twice. Runs at once,
    // through the mailbox, when it is ending already.
    void OnShutdown(std::function<void()> shutdown);
    // What is to run there when another connection needs the room of this one, which is idle.
    void OnEviction(std::function<void()> evict);
    // A connection that waits for its client is idle: between requests, until the next has been
    // read whole, and from the beginning of its answer on. One that is new is not. Counts from now,
    // also for one that is idle already; the first time from when the connection was added.
    void SetIdle();
    void SetBusy();
    // For one that stays as long as its client likes, and is never idle. False: so many do already
    // that others would find no room.
    [[nodiscard]] bool TryHold();
    void StopHolding();

   private:
    Connections* const connections_;
    const std::uint64_t id_;
  };

  // What becomes of a connection that a client opens.
  enum class Admission {
    kServed,
    kRefused,  // It is told that there is no room, and leaves.
    kDropped,  // There is no room even for that: its socket is closed at once.
  };
  // Where there is no room, the connection that has been idle longest is evicted.
  Admission Admit();
  // Whether one more would be served without another having to make room.
  bool HasRoom();
  // Evicts one, where one is idle.
  bool EvictOne();

  // The mailbox is shared by the connection and by what answers it from other threads.
  enum class Stay { kUsual, kLeaving };
  std::unique_ptr<Registration> Add(std::shared_ptr<Mailbox> mailbox, Stay stay = Stay::kUsual);

  // Asks every connection to end, and waits until none is left or the deadline passes. A connection
  // takes its leave when it is first asked, and ends at once when it is asked again.
  void ShutDown(std::chrono::steady_clock::time_point deadline);
  // Cuts every connection off from other threads.
  void CloseMailboxes();

 private:
  struct Entry {
    std::shared_ptr<Mailbox> mailbox;
    std::function<void()> shutdown;
    std::function<void()> evict;
    std::uint64_t idle_since = 0;  // A number that grows; 0: it is not idle.
    std::uint64_t added = 0;       // The same; 0: it has been idle since.
    bool leaving = false;
    bool held = false;
  };

  // Ids, longest idle first, by Entry::idle_since.
  using Idle = std::map<std::uint64_t, std::uint64_t>;

  bool EvictFirstOf(Idle& idle) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Idle& IdleLike(const Entry& entry) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Busy(Entry& entry) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Bounds bounds_;
  Mutex mutex_;
  CondVar empty_;
  std::map<std::uint64_t, Entry> entries_ ABSL_GUARDED_BY(mutex_);
  std::uint64_t next_id_ ABSL_GUARDED_BY(mutex_) = 0;
  Idle idle_ ABSL_GUARDED_BY(mutex_);          // Those that stay.
  Idle idle_leaving_ ABSL_GUARDED_BY(mutex_);  // Those that leave.
  std::uint64_t idle_clock_ ABSL_GUARDED_BY(mutex_) = 0;
  std::size_t leaving_ ABSL_GUARDED_BY(mutex_) = 0;
  std::size_t held_ ABSL_GUARDED_BY(mutex_) = 0;
  bool shutting_down_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace belfry::http
