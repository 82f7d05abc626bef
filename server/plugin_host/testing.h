#pragma once

#include <span>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "base/mutex.h"
#include "server/bus/bus.h"

namespace belfry::plugin_host {

// As a bus::Event, with a message of its own.
struct PublishedEvent {
  logical::EventReceived message;
  absl::Time accepted;
};

// Keeps what is published, for a test to look at. Thread-safe.
class RecordingPublisher final : public bus::Publisher {
 public:
  void Publish(std::span<const bus::Event> events) override {
    MutexLock lock(&mutex_);
    for (const bus::Event& event : events) events_.push_back({*event.message, event.accepted});
    changed_.NotifyAll();
  }
  // All that was published since the last Take, as soon as it is `count` events or more.
  std::vector<PublishedEvent> Take(std::size_t count) {
    MutexLock lock(&mutex_);
    while (events_.size() < count) changed_.Wait(&mutex_);
    return std::exchange(events_, {});
  }

 private:
  Mutex mutex_;
  CondVar changed_;
  std::vector<PublishedEvent> events_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace belfry::plugin_host
