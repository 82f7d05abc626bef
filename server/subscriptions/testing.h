#pragma once

#include <deque>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/executor.h"
#include "server/bus/bus.h"
#include "server/subscriptions/subscriber.h"

namespace belfry::subscriptions {

// Runs work when a test says so, on its thread, in the order in which it came. Not thread-safe.
class SteppedExecutor final : public Executor {
 public:
  bool Post(absl::AnyInvocable<void()>&& work) override {
    waiting_.push_back(std::move(work));
    return true;
  }
  void PostAlways(absl::AnyInvocable<void()> work) override { (void)Post(std::move(work)); }
  // Another one, whose work waits here. This must outlive it.
  std::unique_ptr<Executor> New() { return std::make_unique<Front>(this); }
  // Until nobody has anything to do.
  void Work() {
    while (!waiting_.empty()) {
      absl::AnyInvocable<void()> work = std::move(waiting_.front());
      waiting_.pop_front();
      work();
    }
  }

 private:
  class Front final : public Executor {
   public:
    explicit Front(SteppedExecutor* all) : all_(all) {}
    bool Post(absl::AnyInvocable<void()>&& work) override { return all_->Post(std::move(work)); }
    void PostAlways(absl::AnyInvocable<void()> work) override { all_->PostAlways(std::move(work)); }

   private:
    SteppedExecutor* const all_;
  };

  std::deque<absl::AnyInvocable<void()>> waiting_;
};

// Remembers who subscribes. Not thread-safe.
class FakeBus final : public bus::Bus {
 public:
  std::vector<bus::SubscribeOptions> subscribed;
  void OnEvents(std::span<const storage::AcceptedEvent>) override {}
  std::size_t MostEventsAtOnce() const override { return 1; }
  std::unique_ptr<bus::Subscription> Subscribe(bus::SubscribeOptions options) override {
    subscribed.push_back(std::move(options));
    return std::make_unique<bus::Subscription>();
  }
};

// Takes everything, and remembers what was asked of it. Not thread-safe.
class FakeSubscriber final : public Subscriber {
 public:
  std::string end_reason;  // "": it was not ended.
  int awaited = 0;

  bus::OfferResult Offer(const bus::Frame&, std::uint64_t) override {
    return bus::OfferResult::kAccepted;
  }
  void Overflow() override {}
  bool HasRoom() const override { return true; }
  bool AwaitRoom(absl::AnyInvocable<void()>) override { return true; }
  void End(std::string_view reason) override { end_reason = reason; }
  void AwaitSending() override { ++awaited; }
};

}  // namespace belfry::subscriptions
