#include "sdk/src/event_answers.h"

#include <utility>

namespace belfry::internal {

void EventAnswers::HandOver(std::size_t events) {
  MutexLock lock(&mutex_);
  under_way_ += events;
}

void EventAnswers::Answer(const std::vector<std::size_t>& events, const absl::Status& status) {
  MutexLock lock(&mutex_);
  for (const std::size_t event : events) answers_[event] = status;
  under_way_ -= events.size();
  answered_.NotifyAll();
}

void EventAnswers::HandBack(std::size_t events) {
  MutexLock lock(&mutex_);
  under_way_ -= events;
  answered_.NotifyAll();
}

void EventAnswers::AnswerOne(std::size_t event, absl::Status status) {
  MutexLock lock(&mutex_);
  answers_[event] = std::move(status);
}

bool EventAnswers::AnyUnderWay() const {
  MutexLock lock(&mutex_);
  return under_way_ > 0;
}

bool EventAnswers::WaitForAnswer(std::chrono::steady_clock::time_point deadline) {
  MutexLock lock(&mutex_);
  const std::size_t before = under_way_;
  while (under_way_ == before && before > 0) {
    if (!answered_.WaitUntil(&mutex_, deadline)) return under_way_ != before;
  }
  return true;
}

std::vector<std::size_t> EventAnswers::Open() const {
  MutexLock lock(&mutex_);
  std::vector<std::size_t> open;
  open.reserve(answers_.size());
  for (std::size_t event = 0; event < answers_.size(); ++event) {
    if (!answers_[event]) open.push_back(event);
  }
  return open;
}

std::vector<absl::Status> EventAnswers::TakeAll(const absl::Status& rest) {
  MutexLock lock(&mutex_);
  std::vector<absl::Status> all;
  all.reserve(answers_.size());
  for (std::optional<absl::Status>& answer : answers_) {
    all.push_back(answer ? *std::move(answer) : rest);
  }
  return all;
}

}  // namespace belfry::internal
