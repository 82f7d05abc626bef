#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/log_throttle.h"
#include "base/mutex.h"
#include "belfry/events.h"
#include "belfry/log.h"
#include "sdk/src/event_stream.h"

namespace belfry::internal {

// One mount's EventSender. The host fills in which mount it was: a plugin is never asked. Threads:
// safe.
class MountEvents final : public EventSender {
 public:
  // Both must outlive this.
  MountEvents(EventStream* stream, const Log* log);

  // What SendOrLog does when an event was not sent.
  void NoteFailure(std::string_view type, const absl::Status& status) {
    if (!absl::IsFailedPrecondition(status)) LogFailure(type, status);
  }

 private:
  std::vector<absl::Status> DoSend(absl::Span<const Event> events) override {
    return stream_->Send(events);
  }
  // At most once a minute for each type, with how many were left out since; of more than 256
  // failing types only the first are told apart, and all others count as one.
  void LogFailure(std::string_view type, const absl::Status& status) override;
  LogThrottle& ThrottleOf(std::string_view type);

  EventStream* const stream_;
  const Log* const log_;
  Mutex mutex_;
  std::map<std::string, LogThrottle, std::less<>> by_type_ ABSL_GUARDED_BY(mutex_);
  LogThrottle other_types_;
};

}  // namespace belfry::internal
