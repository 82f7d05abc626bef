#include "server/http/outgoing_queue.h"

#include <algorithm>
#include <utility>

namespace belfry::http {
namespace {

// What comes from the journal may fill one part in so many: it can wait there as well.
constexpr std::size_t kRoomPart = 16;

}  // namespace

OutgoingQueue::OutgoingQueue(std::size_t max_frames, std::size_t max_bytes)
    : max_frames_(max_frames), max_bytes_(max_bytes) {}

void OutgoingQueue::Start(absl::AnyInvocable<void()> wake) {
  MutexLock lock(&mutex_);
  wake_ = std::move(wake);
  if (overflowed_ || end_reason_) {
    WakeAnyway();
  } else if (!frames_.empty()) {
    Wake();
  }
}

void OutgoingQueue::Wake() {
  if (asleep_) WakeAnyway();
}

void OutgoingQueue::WakeAnyway() {
  if (wake_ == nullptr) return;
  asleep_ = false;
  wake_();
}

bool OutgoingQueue::HasLessThan(std::size_t part) const {
  return waiting_frames_ <= max_frames_ / part && waiting_bytes_ <= max_bytes_ / part;
}

bool OutgoingQueue::RoomOrEnded() const {
  return HasLessThan(kRoomPart) || closed_ || overflowed_ || end_reason_;
}

bool OutgoingQueue::HasRoom() const {
  MutexLock lock(&mutex_);
  return RoomOrEnded();
}

bool OutgoingQueue::AwaitRoom(absl::AnyInvocable<void()> wake) {
  MutexLock lock(&mutex_);
  on_room_ = nullptr;
  if (RoomOrEnded()) return true;
  on_room_ = std::move(wake);
  return false;
}

void OutgoingQueue::DropAll() {
  on_room_ = nullptr;
  dropped_ += frames_.size();
  std::deque<Item>().swap(frames_);
}

bus::OfferResult OutgoingQueue::Offer(const bus::Frame& frame, std::uint64_t policy_version) {
  MutexLock lock(&mutex_);
  if (closed_ || overflowed_ || end_reason_) return bus::OfferResult::kClosed;
  const std::size_t size = frame->bytes.size();
  if (waiting_frames_ + 1 > max_frames_ || waiting_bytes_ + size > max_bytes_) {
    EndAsOverflowed();
    return bus::OfferResult::kFull;
  }
  ++waiting_frames_;
  waiting_bytes_ += size;
  frames_.push_back({frame, policy_version});
  Wake();
  return bus::OfferResult::kAccepted;
}

void OutgoingQueue::EndAsOverflowed() {
  overflowed_ = true;
  DropAll();
  // The consumer may be waiting for a socket that never drains.
  WakeAnyway();
}

void OutgoingQueue::Overflow() {
  MutexLock lock(&mutex_);
  if (!closed_ && !overflowed_ && !end_reason_) EndAsOverflowed();
}

void OutgoingQueue::End(std::string_view reason) {
  {
    MutexLock lock(&mutex_);
    if (!closed_ && !end_reason_) {
      end_reason_ = std::string(reason);
      DropAll();
      // The consumer may be waiting for a socket that never drains.
      WakeAnyway();
    }
  }
  AwaitSending();
}

void OutgoingQueue::AwaitSending() {
  MutexLock lock(&mutex_);
  const std::uint64_t now = sendings_;
  while (sending_ && sendings_ == now) sent_.Wait(&mutex_);
}

OutgoingQueue::Sending::Sending(OutgoingQueue* queue) : queue_(queue) {
  MutexLock lock(&queue_->mutex_);
  queue_->sending_ = true;
  ++queue_->sendings_;
}

OutgoingQueue::Sending::~Sending() {
  MutexLock lock(&queue_->mutex_);
  queue_->sending_ = false;
  queue_->sent_.NotifyAll();
}

std::vector<OutgoingQueue::Item> OutgoingQueue::Take(std::size_t max_frames,
                                                     std::size_t max_bytes) {
  std::vector<Item> taken;
  MutexLock lock(&mutex_);
  taken.reserve(std::min(frames_.size(), max_frames));
  std::size_t bytes = 0;
  while (!frames_.empty() && taken.size() < max_frames && bytes < max_bytes) {
    bytes += frames_.front().frame->bytes.size();
    taken.push_back(std::move(frames_.front()));
    frames_.pop_front();
  }
  asleep_ = taken.empty();
  return taken;
}

void OutgoingQueue::Release(std::size_t frames, std::size_t bytes) {
  absl::AnyInvocable<void()> on_room;  // Called without the lock.
  {
    MutexLock lock(&mutex_);
    waiting_frames_ -= frames;
    waiting_bytes_ -= bytes;
    if (HasLessThan(2 * kRoomPart)) on_room.swap(on_room_);
  }
  if (on_room != nullptr) on_room();
}

bool OutgoingQueue::Overflowed() const {
  MutexLock lock(&mutex_);
  return overflowed_;
}

bool OutgoingQueue::Ended() const {
  MutexLock lock(&mutex_);
  return end_reason_.has_value();
}

std::optional<std::string> OutgoingQueue::EndReason() const {
  MutexLock lock(&mutex_);
  return end_reason_;
}

std::size_t OutgoingQueue::Close() {
  MutexLock lock(&mutex_);
  if (closed_) return 0;
  closed_ = true;
  wake_ = nullptr;
  DropAll();
  return dropped_;
}

}  // namespace belfry::http
