#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/time/time.h"
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
  MountEvents(EventStream* stream, const Log* log) : stream_(stream), log_(log) {}

  // What SendOrLog does when an event was not sent.
  void NoteFailure(std::string_view type, const absl::Status& status) {
    if (!absl::IsFailedPrecondition(status)) LogFailure(type, status);
  }

 private:
  std::vector<absl::Status> DoSend(absl::Span<const Event> events) override {
    return stream_->Send(events);
  }
  // At most once a minute for each type; of more than 256 failing types only the first are told
  // apart.
  void LogFailure(std::string_view type, const absl::Status& status) override;
  bool MayLog(std::string_view type, absl::Time now);

  EventStream* const stream_;
  const Log* const log_;
  Mutex mutex_;
  std::map<std::string, absl::Time, std::less<>> last_logged_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace belfry::internal
