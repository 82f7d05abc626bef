#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "base/mutex.h"
#include "proto/vault/event.pb.h"
#include "server/storage/event_observer.h"

namespace belfry::plugin_host {

// Waits for the answer of one call, which comes once. Thread-safe.
template <typename T>
class Answer {
 public:
  auto Callback() {
    return [this](absl::StatusOr<T> value) {
      MutexLock lock(&mutex_);
      EXPECT_FALSE(value_) << "a second answer";
      value_ = std::move(value);
      came_.NotifyAll();
    };
  }
  absl::StatusOr<T> Wait() {
    MutexLock lock(&mutex_);
    while (!value_) came_.Wait(&mutex_);
    return *value_;
  }
  // OK also when it has not come.
  absl::Status FailureSoFar() {
    MutexLock lock(&mutex_);
    return value_ ? value_->status() : absl::OkStatus();
  }

 private:
  Mutex mutex_;
  CondVar came_;
  std::optional<absl::StatusOr<T>> value_ ABSL_GUARDED_BY(mutex_);
};

// As a storage::AcceptedEvent, read again.
struct CommittedEvent {
  logical::EventReceived message;
  storage::AcceptedEvent event;
};

// The metadata value `key` of an event; "" when it is absent or no text.
inline std::string TextOf(const logical::EventReceived& event, const std::string& key) {
  const auto& fields = event.event().metadata().fields();
  const auto found = fields.find(key);
  return found == fields.end() ? "" : found->second.string_value();
}

// Keeps what is committed, for a test to look at. Thread-safe.
class RecordingObserver final : public storage::EventObserver {
 public:
  void OnEvents(std::span<const storage::AcceptedEvent> events) override {
    MutexLock lock(&mutex_);
    for (const storage::AcceptedEvent& event : events) {
      events_.push_back({.event = event});
      // A message that cannot be read is empty, which no test takes for its own.
      (void)events_.back().message.ParseFromString(event.bytes);
    }
    changed_.NotifyAll();
  }
  std::size_t MostEventsAtOnce() const override { return std::numeric_limits<std::size_t>::max(); }

  // All that was committed since the last Take, as soon as it is `count` events or more.
  std::vector<CommittedEvent> Take(std::size_t count) {
    MutexLock lock(&mutex_);
    while (events_.size() < count) changed_.Wait(&mutex_);
    return std::exchange(events_, {});
  }

 private:
  Mutex mutex_;
  CondVar changed_;
  std::vector<CommittedEvent> events_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace belfry::plugin_host
