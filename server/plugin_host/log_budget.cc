#include "server/plugin_host/log_budget.h"

#include <algorithm>
#include <utility>

namespace belfry::plugin_host {
namespace {

// Time, level and name, which even an empty line gets.
constexpr std::size_t kLineBytes = 64;

}  // namespace

LogBudget::LogBudget(std::size_t bytes_per_second, std::size_t burst_bytes)
    : bytes_per_second_(bytes_per_second),
      burst_bytes_(burst_bytes),
      left_(static_cast<double>(burst_bytes)) {}

void LogBudget::Refill(Time now) {
  if (!std::exchange(started_, true)) refilled_ = now;
  const std::chrono::duration<double> passed = std::max(now, refilled_) - refilled_;
  refilled_ = std::max(now, refilled_);
  left_ = std::min(left_ + passed.count() * static_cast<double>(bytes_per_second_),
                   static_cast<double>(burst_bytes_));
  if (left_ >= static_cast<double>(std::min(bytes_per_second_, burst_bytes_)))
    state_ = State::kWriting;
}

bool LogBudget::Take(std::size_t bytes, Time now) {
  MutexLock lock(&mutex_);
  Refill(now);
  // The longest line fits at least into a full budget.
  const auto cost = static_cast<double>(std::min(bytes + kLineBytes, burst_bytes_));
  if (state_ == State::kWriting && cost <= left_) {
    left_ -= cost;
    return true;
  }
  if (state_ == State::kWriting) state_ = State::kBeginsToDrop;
  dropped_ += bytes;
  return false;
}

bool LogBudget::Drop(std::size_t bytes, Time now) {
  MutexLock lock(&mutex_);
  Refill(now);
  if (state_ == State::kWriting) return false;
  dropped_ += bytes;
  return true;
}

void LogBudget::AddDropped(std::size_t bytes) {
  MutexLock lock(&mutex_);
  dropped_ += bytes;
}

std::size_t LogBudget::TakeDropped() {
  MutexLock lock(&mutex_);
  return std::exchange(dropped_, 0);
}

bool LogBudget::HasBegunToDrop() {
  MutexLock lock(&mutex_);
  if (state_ != State::kBeginsToDrop) return false;
  state_ = State::kDropping;
  return true;
}

}  // namespace belfry::plugin_host
