#pragma once

#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "server/bus/bus.h"
#include "server/subscriptions/subscriber.h"

namespace belfry::subscriptions {

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
