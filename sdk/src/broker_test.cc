#include "sdk/src/broker.h"

#include <thread>

#include "gtest/gtest.h"

namespace belfry::internal {
namespace {

// A clock that a test moves; the waiting itself is on the real one.
class BrokerTest : public ::testing::Test {
 protected:
  Broker::Options ByHand(Broker::Clock::duration wait) {
    return {.wait = wait, .now = [this] { return now_; }};
  }

  Broker::Clock::time_point now_ = Broker::Clock::now();
};

TEST_F(BrokerTest, AnAnnouncementBeforeSetupIsTakenOnce) {
  Broker broker(Broker::Options{.wait = std::chrono::milliseconds(1)});
  broker.Announce(1, {"unix", "/a"});
  broker.Announce(2, {"tcp", "127.0.0.1:1"});
  EXPECT_EQ(broker.Take(2)->address, "127.0.0.1:1");
  EXPECT_EQ(broker.Take(1)->network, "unix");
  EXPECT_EQ(broker.Take(1).status(), absl::UnknownError("timeout waiting for connection info"));
}

TEST_F(BrokerTest, AnAnnouncementAfterSetupEndsItsWait) {
  Broker broker(Broker::Options{.wait = std::chrono::seconds(30)});
  std::thread host([&broker] { broker.Announce(7, {"unix", "/late"}); });
  EXPECT_EQ(broker.Take(7)->address, "/late");
  host.join();
}

TEST_F(BrokerTest, AStaleAnnouncementIsDropped) {
  Broker broker(ByHand(std::chrono::milliseconds(1)));
  broker.Announce(1, {"unix", "/stale"});
  now_ += std::chrono::milliseconds(4999);
  broker.Announce(2, {"unix", "/fresh"});
  now_ += std::chrono::milliseconds(1);
  EXPECT_EQ(broker.Take(1).status().code(), absl::StatusCode::kUnknown);
  EXPECT_EQ(broker.Take(2)->address, "/fresh");
}

TEST_F(BrokerTest, ASecondAnnouncementOfAPendingIdIsDropped) {
  Broker broker(Broker::Options{.wait = std::chrono::milliseconds(1)});
  broker.Announce(1, {"unix", "/first"});
  broker.Announce(1, {"unix", "/second"});
  EXPECT_EQ(broker.Take(1)->address, "/first");
}

TEST_F(BrokerTest, StopEndsEveryWait) {
  Broker broker(Broker::Options{.wait = std::chrono::seconds(30)});
  std::thread stopper([&broker] { broker.Stop(); });
  EXPECT_EQ(broker.Take(1).status().code(), absl::StatusCode::kCancelled);
  stopper.join();
}

}  // namespace
}  // namespace belfry::internal
