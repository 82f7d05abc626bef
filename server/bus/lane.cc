#include "server/bus/lane.h"

#include <utility>

namespace belfry::bus {

Lane::Result Lane::Append(std::shared_ptr<const KeptEvent> event, Admission admission) {
  MutexLock lock(&mutex_);
  if (closed_) return Result::kClosed;
  Item item{.event = std::move(event)};
  item.bytes = item.event->bytes();
  // Most often the same subscribers may see it by the same rules.
  if (!items_.empty() && *items_.back().admission == admission) {
    item.admission = items_.back().admission;
  } else {
    item.bytes += admission.bytes();
    item.admission = std::make_shared<const Admission>(std::move(admission));
  }
  if (items_.size() + 1 > max_events_ || bytes_ + item.bytes > max_bytes_) return Result::kFull;
  bytes_ += item.bytes;
  items_.push_back(std::move(item));
  return std::exchange(awake_, true) ? Result::kWaits : Result::kAwoken;
}

std::optional<Lane::Item> Lane::Take() {
  MutexLock lock(&mutex_);
  if (items_.empty()) {
    awake_ = false;
    return std::nullopt;
  }
  Item item = std::move(items_.front());
  items_.pop_front();
  bytes_ -= item.bytes;
  return item;
}

Lane::Items Lane::TakeAll() {
  MutexLock lock(&mutex_);
  return Clear();
}

Lane::Items Lane::Close() {
  MutexLock lock(&mutex_);
  closed_ = true;
  return Clear();
}

Lane::Items Lane::Clear() {
  bytes_ = 0;
  return std::exchange(items_, {});
}

}  // namespace belfry::bus
