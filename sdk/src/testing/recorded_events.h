#pragma once

#include <vector>

#include "base/event_rules.h"
#include "base/mutex.h"
#include "base/text.h"
#include "belfry/testing/fake_host.h"

namespace belfry::testing {

// The events a test host has accepted, and whether it accepts more. Thread-safe.
class RecordedEvents {
 public:
  // Completes and records it; InvalidArgument when it must not be sent.
  absl::Status Accept(const Event& event) {
    internal::EventFields fields;
    if (absl::Status status = internal::CompleteEvent(event, &fields); !status.ok()) return status;
    return Accept(SentEvent{event.type, {fields.begin(), fields.end()}});
  }
  // Records it, or answers with the refusal that was asked for. PermissionDenied for the host's
  // own types, as every host of ours answers.
  absl::Status Accept(SentEvent event) {
    if (IsHostEventType(event.type)) {
      return absl::PermissionDeniedError(ToAbsl(kHostEventTypeRefusal));
    }
    MutexLock lock(&mutex_);
    if (!refusal_.ok()) return refusal_;
    events_.push_back(std::move(event));
    return absl::OkStatus();
  }
  std::vector<SentEvent> All() const {
    MutexLock lock(&mutex_);
    return events_;
  }
  void Refuse(absl::Status status) {
    MutexLock lock(&mutex_);
    refusal_ = std::move(status);
  }

 private:
  mutable Mutex mutex_;
  std::vector<SentEvent> events_ ABSL_GUARDED_BY(mutex_);
  absl::Status refusal_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace belfry::testing
