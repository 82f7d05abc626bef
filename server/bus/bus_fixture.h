#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "base/executor.h"
#include "base/mutex.h"
#include "server/bus/bus.h"
#include "server/bus/event_fields.h"
#include "server/bus/testing.h"
#include "server/storage/committer.h"

// A bus over a storage, for the tests of what its subscribers get.

namespace belfry::bus {

inline logical::EventReceived MakeEvent(std::string id, std::string type = "kv-v2/data-write",
                                        std::string event_namespace = "") {
  logical::EventReceived event;
  event.mutable_event()->set_id(std::move(id));
  event.set_event_type(std::move(type));
  event.set_namespace_(std::move(event_namespace));
  return event;
}

inline logical::EventReceived EventOn(std::string path, std::string id) {
  logical::EventReceived event = MakeEvent(std::move(id));
  auto& fields = *event.mutable_event()->mutable_metadata()->mutable_fields();
  fields["path"].set_string_value(std::move(path));
  return event;
}

// Runs work at once, or on demand.
class HandExecutor final : public Executor {
 public:
  std::atomic<bool> at_once = true;

  bool Post(absl::AnyInvocable<void()>&& work) override {
    PostAlways(std::move(work));
    return true;
  }
  void PostAlways(absl::AnyInvocable<void()> work) override {
    if (at_once) return work();
    MutexLock lock(&mutex_);
    waiting_.push_back(std::move(work));
  }
  // One piece of work; false when there is none.
  bool RunOne() {
    absl::AnyInvocable<void()> work;
    {
      MutexLock lock(&mutex_);
      if (waiting_.empty()) return false;
      work = std::move(waiting_.front());
      waiting_.pop_front();
    }
    work();
    return true;
  }
  void RunAll() {
    while (RunOne()) {
    }
  }

 private:
  Mutex mutex_;
  std::deque<absl::AnyInvocable<void()>> waiting_ ABSL_GUARDED_BY(mutex_);
};

// Allows what it is told to, and counts how often it was asked.
class CountingAuthorizer final : public EventAuthorizer {
 public:
  struct Rules {
    std::uint64_t version = 1;
    bool allow = true;
    int asked = 0;
  };
  explicit CountingAuthorizer(Rules* rules) : rules_(rules) {}
  std::uint64_t Refresh() override { return rules_->version; }
  bool Allows(std::string_view path, std::string_view type) override {
    ++rules_->asked;
    return rules_->allow && !(path == "ab" && type == "c");
  }

 private:
  Rules* const rules_;
};

class BusTest : public ::testing::Test {
 protected:
  SubscribeOptions Options(std::shared_ptr<Sink> sink, std::string pattern = "*") {
    return {.type_pattern = std::move(pattern),
            .namespace_patterns = {},
            .filter = nullptr,
            .format = Format::kProtobuf,
            .event_authorizer = std::make_unique<PathAuthorizer>(),
            .sink = std::move(sink)};
  }
  SubscribeOptions Filtered(std::shared_ptr<Sink> sink, std::string_view filter) {
    SubscribeOptions options = Options(std::move(sink));
    options.filter = *Filter::Parse(filter, Limits());
    return options;
  }
  void Publish(const std::vector<logical::EventReceived>& messages) {
    storage::WriteBatch batch;
    for (const logical::EventReceived& message : messages) {
      batch.events.push_back({.accepted = absl::UnixEpoch(),
                              .bytes = message.SerializeAsString(),
                              .type = message.event_type(),
                              .path = std::string(MetadataText(message, "path")),
                              .name_space = message.namespace_()});
    }
    EXPECT_EQ(storage::CommitAndWait(*storage_, std::move(batch)), absl::OkStatus());
  }
  std::uint64_t Count(std::string_view name) { return metrics_->GetCounter(name, "").Value(); }

  // Whether each event became something for each subscription.
  void ExpectThatCountsAddUp() {
    EXPECT_EQ(Count("belfry_events_published_total"),
              Count("belfry_events_delivered_total") + Count("belfry_events_filtered_total") +
                  Count("belfry_events_denied_total") + Count("belfry_events_missed_total") +
                  Count("belfry_events_abandoned_total"));
  }
  static Limits SmallLimits() {
    Limits limits;
    limits.max_queued_frames = 4;
    return limits;
  }

  FakeClock clock_{absl::UnixEpoch()};
  const std::unique_ptr<Metrics> metrics_ = NewMetrics();
  HandExecutor* executor_ = new HandExecutor();  // The bus's.
  const std::unique_ptr<Bus> bus_ =
      Bus::Create(&clock_, metrics_.get(), SmallLimits(), std::unique_ptr<Executor>(executor_));
  const std::unique_ptr<storage::Storage> storage_ = storage::NewInMemoryStorage(bus_.get());
};

}  // namespace belfry::bus
