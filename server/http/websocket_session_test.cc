#include "server/http/websocket_session.h"

#include <memory>
#include <string>
#include <vector>

#include "server/http/session_fixture.h"

namespace belfry::http {
namespace {

using ::testing::ElementsAre;

TEST_F(SessionTest, EventsArriveInOrderHoweverLittleAWriteTakes) {
  MemoryClient client(&io_);
  const std::shared_ptr<subscriptions::Subscriber> sink = Subscribe(client);
  // The second is more than two batches.
  for (const auto& [max_write, events] : {std::pair(1, 20), std::pair(999, 1200)}) {
    client.SetMaxWrite(max_write);
    std::string expected;
    for (int i = 0; i < events; ++i) {
      const std::string text = std::to_string(i) + std::string(i % 200, '.');
      ASSERT_EQ(sink->Offer(Text(text), 1), bus::OfferResult::kAccepted);
      expected += TextFrame(text);
    }
    Poll();
    EXPECT_EQ(client.TakeReceived(), expected);
  }
}

TEST_F(SessionTest, OnlyASubscribersUnsentBytesAreLimited) {
  MemoryClient client(&io_);
  Serve(client);
  client.Send(Request("GET /a"));
  Poll();
  EXPECT_EQ(client.unsent_limit(), std::nullopt);
  client.Send(Request(kSubscribe, kUpgrade));
  Poll();
  EXPECT_EQ(client.unsent_limit(), 128 * 1024);
}

TEST_F(SessionTest, AFullTransportHoldsTheQueueUntilThereIsRoom) {
  MemoryClient client(&io_);
  const std::shared_ptr<subscriptions::Subscriber> sink = Subscribe(client);
  client.SetRoom(3);
  std::string expected;
  for (const char* text : {"first", "second", "third"}) {
    EXPECT_EQ(sink->Offer(Text(text), 1), bus::OfferResult::kAccepted);
    expected += TextFrame(text);
    Poll();
  }
  EXPECT_EQ(client.TakeReceived(), expected.substr(0, 3));
  EXPECT_TRUE(client.awaited());
  client.SetRoom(kMuchRoom);
  Poll();
  EXPECT_EQ(client.TakeReceived(), expected.substr(3));
  EXPECT_FALSE(client.awaited());
}

TEST_F(SessionTest, WhatAFullTransportHoldsCountsAsQueued) {
  limits_.max_queued_frames = 3;
  MemoryClient client(&io_);
  const std::shared_ptr<subscriptions::Subscriber> sink = Subscribe(client);
  client.SetRoom(3);
  for (const char* text : {"first", "second", "third"}) {
    EXPECT_EQ(sink->Offer(Text(text), 1), bus::OfferResult::kAccepted);
    Poll();
  }
  EXPECT_EQ(sink->Offer(Text("fourth"), 1), bus::OfferResult::kFull);
  Poll();
  client.SetRoom(kMuchRoom);
  Poll();
  EXPECT_EQ(client.TakeReceived(),
            TextFrame("first") + CloseFrame(CloseCode::kTryAgainLater,
                                            "subscriber is too slow; events were missed"));
  EXPECT_TRUE(client.server_finished());
}

TEST_F(SessionTest, WhatIsForbiddenWhileTheTransportIsFullIsNotSent) {
  MemoryClient client(&io_);
  const std::shared_ptr<subscriptions::Subscriber> sink = Subscribe(client);
  client.SetRoom(3);
  for (const char* path : {"a", "secret", "b"}) sink->Offer(Text(path, path), 1);
  Poll();
  EXPECT_EQ(client.TakeReceived(), TextFrame("a"));
  api_.Forbid("secret");
  client.SetRoom(kMuchRoom);
  Poll();
  EXPECT_EQ(client.TakeReceived(), TextFrame("b"));
}

TEST_F(SessionTest, ATransportThatBreaksEndsTheSubscription) {
  MemoryClient client(&io_);
  const std::shared_ptr<subscriptions::Subscriber> sink = Subscribe(client);
  client.SetRoom(0);
  sink->Offer(Text("first"), 1);
  Poll();
  EXPECT_TRUE(client.awaited());
  client.Break();
  Poll();
  EXPECT_TRUE(client.closed());
  EXPECT_EQ(sink->Offer(Text("second"), 1), bus::OfferResult::kClosed);
  api_.WaitForEndedSubscriptions(1);
  EXPECT_EQ(metrics_->GetCounter("belfry_websocket_frames_dropped_total", "").Value(), 1u);
  EXPECT_EQ(Sessions(), 0);
}

TEST_F(SessionTest, ACloseIsAnsweredAndTheClientsEndAwaited) {
  MemoryClient client(&io_);
  Subscribe(client);
  client.Send(Masked(8, "\x03\xe8"));
  Poll();
  EXPECT_EQ(client.TakeReceived(), CloseFrame(CloseCode::kNormal, ""));
  EXPECT_TRUE(client.server_finished());
  EXPECT_FALSE(client.closed());
  client.FinishSending();
  Poll();
  EXPECT_TRUE(client.closed());
}

TEST_F(SessionTest, ASubscriberThatReadsNothingIsCutOffAtTheDeadlineForSlowOnes) {
  MemoryClient client(&io_);
  const std::shared_ptr<subscriptions::Subscriber> sink = Subscribe(client);
  client.SetRoom(0);
  sink->Offer(Text("first"), 1);
  Poll();
  EXPECT_FALSE(client.closed());
  sink->End("token revoked");
  Poll();
  Pass(timeouts_.slow_close - absl::Nanoseconds(1));
  EXPECT_FALSE(client.closed());
  Pass(absl::Nanoseconds(1));
  EXPECT_TRUE(client.closed());
}

TEST_F(SessionTest, PingsCountUpWhileTheyAreAnswered) {
  MemoryClient client(&io_);
  Subscribe(client);
  for (int i = 1; i <= 6; ++i) {
    Pass(limits_.ping_interval - absl::Nanoseconds(1));
    EXPECT_EQ(client.TakeReceived(), "");
    Pass(absl::Nanoseconds(1));
    EXPECT_EQ(client.TakeReceived(), std::string("\x89\x01") + std::to_string(i));
    client.Send(Masked(10, std::to_string(i)));
    Poll();
  }
}

TEST_F(SessionTest, ADeadPeerIsCutOffAfterTwoSilentPings) {
  MemoryClient client(&io_);
  Subscribe(client);
  Pass(limits_.ping_interval);
  Pass(limits_.ping_interval);
  EXPECT_EQ(client.TakeReceived(),
            "\x89\x01"
            "1"
            "\x89\x01"
            "2");
  EXPECT_FALSE(client.closed());
  Pass(limits_.ping_interval);
  EXPECT_TRUE(client.closed());
  EXPECT_EQ(Sessions(), 0);
}

TEST_F(SessionTest, ASubscriberThatIsTooSlowLeavesAWarning) {
  MemoryClient client(&io_);
  const std::shared_ptr<subscriptions::Subscriber> sink = Subscribe(client);
  client.SetRoom(0);
  sink->Offer(Text("on its way"), 1);
  Poll();
  sink->Offer(Text("waits"), 1);
  sink->Offer(Text("waits, too"), 1);
  sink->Overflow();
  Poll();
  EXPECT_THAT(log_->Lines(),
              ElementsAre("http: a subscriber is too slow and was closed with 1013: "
                          "remote_address=192.0.2.1 accessor=its-accessor type=its-type "
                          "dropped=2 suppressed=0"));
}

TEST_F(SessionTest, SubscribersThatAreTooSlowAreWarnedOfTenTimesAtOnce) {
  limits_.max_queued_frames = 0;
  for (std::size_t i = 0; i < 20; ++i) {
    MemoryClient client(&io_);
    Serve(client);
    client.Send(Request(kSubscribe, kUpgrade));
    Poll();
    api_.Sink(i)->Offer(Text("one too many"), 1);
    Poll();
  }
  const std::uint64_t closed =
      metrics_->GetCounter("belfry_websocket_slow_subscribers_total", "").Value();
  EXPECT_EQ(closed, 20u);
  EXPECT_GE(log_->Lines().size(), 10u);
  EXPECT_LT(log_->Lines().size(), 20u);
}

TEST_F(SessionTest, ASubscriptionThatIsEndedIsLoggedWithItsReason) {
  MemoryClient client(&io_);
  Subscribe(client)->End("token revoked");
  Poll();
  EXPECT_THAT(
      log_->Lines(),
      ElementsAre("http: a subscription was ended: remote_address=192.0.2.1 accessor=its-accessor "
                  "type=its-type reason=token revoked"));
}

}  // namespace
}  // namespace belfry::http
