#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/executor.h"
#include "base/scheduler.h"
#include "server/subscriptions/subscriptions.h"

namespace belfry::subscriptions {

// What is asked of the journal at once. The request is that of a subscription, by which rights are
// asked, and says where to begin.
struct HistoryQuestion {
  Request request;
  std::size_t most = 0;                        // Events; at least 1.
  absl::Duration wait = absl::ZeroDuration();  // So long for the first one, where there is none.
};

struct HistoryPage {
  // As a subscriber gets them: events, and gaps where some are missing.
  std::vector<std::string> frames;
  // Where to go on.
  std::string cursor;
};

// Runs once, on any thread.
using HistoryDone = absl::AnyInvocable<void(absl::StatusOr<HistoryPage>)>;

// Reads what is kept, by the judges that a subscriber has: rights are those of the moment of the
// answer. Errors as Open's; Aborted, with the reason, when a subscriber would have been ended
// meanwhile. May take a while, as filters are compiled, but does not wait for events. A page that
// takes more than ten seconds to read is what has been found by then. `clock`, `scheduler` and
// `executor`, which answers those who are ended, must outlive it. Thread-safe.
void ReadHistory(const Environment& environment, const Clock* clock, Scheduler* scheduler,
                 Executor* executor, HistoryQuestion question, HistoryDone done);

}  // namespace belfry::subscriptions
