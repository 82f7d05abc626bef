#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "base/mutex.h"

namespace belfry::internal {

// What has become of the events of one SendAll. Each is open until it is handed over, then under
// way until it has its answer, or is handed back and open again. Threads: safe; one of them waits.
class EventAnswers final {
 public:
  explicit EventAnswers(std::size_t events) : answers_(events) {}

  void HandOver(std::size_t events);
  // Of events that were handed over.
  void Answer(const std::vector<std::size_t>& events, const absl::Status& status);
  void HandBack(std::size_t events);
  // Of one that was not.
  void AnswerOne(std::size_t event, absl::Status status);

  bool AnyUnderWay() const;
  // Waits until something that was under way no longer is, or nothing was. False when that did not
  // happen by then.
  bool WaitForAnswer(std::chrono::steady_clock::time_point deadline);
  // The events without an answer, in order. Of use when nothing is under way.
  std::vector<std::size_t> Open() const;
  // All answers, and `rest` where there is none.
  std::vector<absl::Status> TakeAll(const absl::Status& rest);

 private:
  mutable Mutex mutex_;
  CondVar answered_;
  std::vector<std::optional<absl::Status>> answers_ ABSL_GUARDED_BY(mutex_);
  std::size_t under_way_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace belfry::internal
