#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "base/mutex.h"
#include "server/bus/bus.h"
#include "server/subscriptions/subscriber.h"

namespace belfry::http {

// What waits to be sent to one subscriber. Publishers fill it and never wait; the subscriber's
// strand empties it. Bounded in frames and in bytes: the offer that would exceed a bound drops
// everything that waits and ends the queue. Thread-safe; knows no socket.
class OutgoingQueue final : public subscriptions::Subscriber {
 public:
  struct Item {
    bus::Frame frame;
    std::uint64_t policy_version = 0;  // As in bus::Sink.
  };

  // Exists while the consumer asks its authorizer and hands over what that allowed: End and
  // AwaitSending wait for one that exists, and not for the next. One at a time; the queue must
  // outlive it.
  class Sending {
   public:
    explicit Sending(OutgoingQueue* queue);
    ~Sending();
    Sending(const Sending&) = delete;
    Sending& operator=(const Sending&) = delete;

   private:
    OutgoingQueue* const queue_;
  };

  OutgoingQueue(std::size_t max_frames, std::size_t max_bytes);

  // What has been offered before it waits until then. From now on `wake` runs whenever something
  // waits after Take has returned nothing, and once when the queue overflows or is ended; it
  // runs on the threads of others, must not block and must not call the queue.
  void Start(absl::AnyInvocable<void()> wake);

  bus::OfferResult Offer(const bus::Frame& frame, std::uint64_t policy_version) override;
  void Overflow() override;
  // A sixteenth of either bound; who waits is awoken at half of that.
  bool HasRoom() const override;
  bool AwaitRoom(absl::AnyInvocable<void()> wake) override;

  void End(std::string_view reason) override;
  void AwaitSending() override;

  // Whether End was called: nothing of it may leave that has not begun to.
  bool Ended() const;
  // The next frames, oldest first: at most `max_frames` of them, and no further one once they have
  // `max_bytes`. They count as waiting until they are released, sent or not.
  std::vector<Item> Take(std::size_t max_frames, std::size_t max_bytes);
  void Release(std::size_t frames, std::size_t bytes);

  // Whether an offer has exceeded a bound, or Overflow was called. Then nothing is taken any more.
  bool Overflowed() const;
  // Why it was ended by End; nothing when it was not.
  std::optional<std::string> EndReason() const;

  // Takes no more offers and never wakes again. How many frames were accepted and will not be sent,
  // those that overflow or End dropped included; 0 when it is closed again.
  std::size_t Close();

 private:
  void Wake() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void WakeAnyway() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void EndAsOverflowed() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void DropAll() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Whether less than one part in so many of either bound waits.
  bool HasLessThan(std::size_t part) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool RoomOrEnded() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::size_t max_frames_;
  const std::size_t max_bytes_;

  mutable Mutex mutex_;
  CondVar sent_;
  bool sending_ ABSL_GUARDED_BY(mutex_) = false;
  std::uint64_t sendings_ ABSL_GUARDED_BY(mutex_) = 0;  // So far.
  absl::AnyInvocable<void()> wake_ ABSL_GUARDED_BY(mutex_);
  absl::AnyInvocable<void()> on_room_ ABSL_GUARDED_BY(mutex_);  // Of who waits for it, or null.
  std::deque<Item> frames_ ABSL_GUARDED_BY(mutex_);
  // Including what was taken and is not released.
  std::size_t waiting_frames_ ABSL_GUARDED_BY(mutex_) = 0;
  std::size_t waiting_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  std::size_t dropped_ ABSL_GUARDED_BY(mutex_) = 0;
  // The consumer sleeps: it has found nothing.
  bool asleep_ ABSL_GUARDED_BY(mutex_) = true;
  bool overflowed_ ABSL_GUARDED_BY(mutex_) = false;
  std::optional<std::string> end_reason_ ABSL_GUARDED_BY(mutex_);
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace belfry::http
