#pragma once

#include <cstddef>
#include <memory>
#include <string_view>
#include <utility>

#include "absl/functional/any_invocable.h"

namespace belfry {

// Runs work that may block, so that threads which serve connections never do. Thread-safe.
class Executor {
 public:
  virtual ~Executor() = default;
  // Runs `work` soon, on another thread, in no promised order. False when too much is waiting
  // already: `work` is then untouched and never runs, and the caller says so to whoever asked for
  // it.
  [[nodiscard]] virtual bool Post(absl::AnyInvocable<void()>&& work) = 0;
  // The same for an owner: a pool with a fixed number of threads gives the owners whose work waits
  // turns, and one owner half of its threads, but at least one, so that the others need not wait
  // for what it brings. It refuses what would make more than a quarter of all that may wait one
  // owner's.
  [[nodiscard]] virtual bool PostFor(std::string_view owner, absl::AnyInvocable<void()>&& work) {
    (void)owner;
    return Post(std::move(work));
  }
  // The same for work that has to be done, however much is waiting: it is never refused, and never
  // done on the thread of the caller, which may be gRPC's and serve other plugins. Only for what
  // something else bounds, as the requests under way bound how many of them end at once.
  virtual void PostAlways(absl::AnyInvocable<void()> work) = 0;
  // The same for an owner, who has turns and threads as by PostFor.
  virtual void PostAlwaysFor(std::string_view owner, absl::AnyInvocable<void()> work) {
    (void)owner;
    PostAlways(std::move(work));
  }
};

// A fixed number of threads. Post refuses while `max_waiting_tasks` tasks wait for one. Work
// without an owner counts as one owner's, which may have all threads. Destroying it runs what was
// posted and waits for it.
std::unique_ptr<Executor> NewThreadPool(std::size_t threads, std::size_t max_waiting_tasks = 1024);

// Threads that start when there is work and end when there is no more, at most `max_threads`: for
// tasks that may be held up for minutes, where a fixed pool would be too small or mostly idle. Post
// refuses while all threads are busy and `max_waiting_tasks` tasks wait; PostAlways then queues.
// Destroying it runs what was posted and waits for it.
std::unique_ptr<Executor> NewElasticPool(std::size_t max_threads, std::size_t max_waiting_tasks);

}  // namespace belfry
