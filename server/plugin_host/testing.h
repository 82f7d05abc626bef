#pragma once

#include <iterator>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "server/base/mutex.h"
#include "server/bus/bus.h"

namespace belfry::plugin_host {

// Keeps what is published, for a test to look at. Thread-safe.
class RecordingPublisher final : public bus::Publisher {
 public:
  void Publish(std::vector<bus::Event> events) override {
    MutexLock lock(&mutex_);
    std::move(events.begin(), events.end(), std::back_inserter(events_));
    changed_.NotifyAll();
  }
  // All that was published since the last Take, as soon as it is `count` events or more.
  std::vector<bus::Event> Take(std::size_t count) {
    MutexLock lock(&mutex_);
    while (events_.size() < count) changed_.Wait(&mutex_);
    return std::exchange(events_, {});
  }

 private:
  Mutex mutex_;
  CondVar changed_;
  std::vector<bus::Event> events_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace belfry::plugin_host
