// Subscribers over WebSocket: the upgrade, what they get, and how it ends.

#include <deque>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/http/server_fixture.h"

namespace belfry::http {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

TEST_F(ServerTest, UpgradeIsAcceptedWithTheKeysAnswer) {
  Start();
  RawClient client(server_->Port());
  const RawClient::Response response = Upgrade(client);
  EXPECT_EQ(response.status, 101);
  EXPECT_THAT(response.head, HasSubstr("\r\nConnection: Upgrade\r\n"));
  EXPECT_THAT(response.head, HasSubstr("\r\nUpgrade: websocket\r\n"));
  EXPECT_THAT(response.head,
              HasSubstr("\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
  EXPECT_THAT(response.head, ::testing::Not(HasSubstr("Sec-WebSocket-Extensions")));
}

TEST_F(ServerTest, AnUpgradeHasNoBody) {
  Start();
  for (const std::string& body : {std::string("Content-Length: 2\r\n\r\n{}"),
                                  std::string("Content-Length: 2\r\nExpect: 100-continue\r\n\r\n"),
                                  std::string("Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n")}) {
    RawClient client(server_->Port());
    client.Send(kSubscribe + (" HTTP/1.1\r\nHost: x\r\n" + (kUpgrade + body)));
    EXPECT_EQ(client.ReadResponse().status, 400) << body;
    EXPECT_TRUE(client.Ended()) << body;
  }
  EXPECT_EQ(Ask(Request(kSubscribe, std::string(kUpgrade) + "Content-Length: 0\r\n")).status, 101);
}

TEST_F(ServerTest, RefusedUpgradeIsAnOrdinaryAnswer) {
  Start();
  RawClient client(server_->Port());
  const RawClient::Response response = Upgrade(client, "refused");
  EXPECT_EQ(response.status, 403);
  EXPECT_EQ(response.body, "no\n");
  client.Send(Request("GET /a"));
  EXPECT_EQ(client.ReadResponse().status, 200);
}

TEST_F(ServerTest, WhatMaySubscribeButIsNoUpgradeIsToldSo) {
  Start();
  RawClient client(server_->Port());
  client.Send(Request(kSubscribe));
  EXPECT_EQ(client.ReadResponse().status, 426);
  EXPECT_EQ(Upgrade(client).status, 101);
}

TEST_F(ServerTest, EventsArriveInOrderAsTextOrBinary) {
  Start();
  for (const auto& [type, opcode] : {std::pair("json", 1), std::pair("binary", 2)}) {
    RawClient client(server_->Port());
    ASSERT_EQ(Upgrade(client, type).status, 101);
    const std::shared_ptr<subscriptions::Subscriber> sink = api_.Sink(opcode - 1);
    for (int i = 0; i < 5000; ++i) {
      ASSERT_EQ(sink->Offer(Text(std::to_string(i) + std::string(i % 200, '.')), 1),
                bus::OfferResult::kAccepted);
    }
    for (int i = 0; i < 5000; ++i) {
      const std::optional<RawClient::Frame> frame = client.ReadFrame();
      ASSERT_TRUE(frame.has_value()) << i;
      ASSERT_EQ(frame->opcode, opcode);
      ASSERT_EQ(frame->payload, std::to_string(i) + std::string(i % 200, '.'));
    }
  }
  // What has been sent has been counted once the sessions know that their clients have gone.
  api_.WaitForEndedSubscriptions(2);
  EXPECT_EQ(metrics_->GetCounter("belfry_websocket_frames_sent_total", "").Value(), 10000u);
}

TEST_F(ServerTest, FramesOfEverySizeAreFramed) {
  Start();
  RawClient client(server_->Port());
  ASSERT_EQ(Upgrade(client).status, 101);
  const std::shared_ptr<subscriptions::Subscriber> sink = api_.Sink(0);
  for (std::size_t size : {0, 1, 125, 126, 65535, 65536, 1000000}) {
    const std::string payload(size, 'p');
    ASSERT_EQ(sink->Offer(Text(payload), 1), bus::OfferResult::kAccepted);
    const std::optional<RawClient::Frame> frame = client.ReadFrame();
    ASSERT_TRUE(frame.has_value()) << size;
    EXPECT_EQ(frame->payload, payload);
  }
}

TEST_F(ServerTest, EventsFromBeforeThe101AreNotLost) {
  api_.early_frames = {Text("first"), Text("second")};
  Start();
  RawClient client(server_->Port());
  ASSERT_EQ(Upgrade(client).status, 101);
  EXPECT_EQ(client.ReadFrame().value().payload, "first");
  EXPECT_EQ(client.ReadFrame().value().payload, "second");
}

TEST_F(ServerTest, SlowSubscriberIsClosedNotWaitedFor) {
  options_.limits.max_queued_frames = 100;
  options_.limits.max_queued_bytes = 1 << 20;
  Start();
  RawClient slow(server_->Port());
  ASSERT_EQ(Upgrade(slow).status, 101);
  std::optional<RawClient> quick(std::in_place, server_->Port());
  ASSERT_EQ(Upgrade(*quick).status, 101);
  const std::shared_ptr<subscriptions::Subscriber> sink = api_.Sink(0);
  const std::shared_ptr<subscriptions::Subscriber> other = api_.Sink(1);
  // The network takes some megabytes before the queue fills.
  std::size_t accepted = 0;
  bus::OfferResult result;
  while ((result = sink->Offer(Text(std::to_string(accepted) + std::string(100000, 's')), 1)) ==
         bus::OfferResult::kAccepted) {
    ++accepted;
  }
  EXPECT_EQ(result, bus::OfferResult::kFull);
  EXPECT_EQ(sink->Offer(Text("more"), 1), bus::OfferResult::kClosed);
  EXPECT_EQ(other->Offer(Text("still here"), 1), bus::OfferResult::kAccepted);
  EXPECT_EQ(quick->ReadFrame().value().payload, "still here");
  api_.WaitForEndedSubscriptions(1);
  // Its frame has been counted once its session knows that it has gone.
  quick.reset();
  api_.WaitForEndedSubscriptions(2);
  // What had been taken comes in order and whole, then the reason, then nothing.
  std::size_t received = 0;
  std::optional<RawClient::Frame> frame;
  while ((frame = slow.ReadFrame()) && frame->opcode == 1) {
    EXPECT_THAT(frame->payload, StartsWith(std::to_string(received) + "s"));
    ++received;
  }
  ASSERT_TRUE(frame.has_value());
  EXPECT_EQ(CloseText(*frame), "1013 subscriber is too slow; events were missed");
  EXPECT_TRUE(slow.Ended());
  EXPECT_EQ(metrics_->GetCounter("belfry_websocket_slow_subscribers_total", "").Value(), 1u);
  EXPECT_EQ(metrics_->GetCounter("belfry_websocket_frames_sent_total", "").Value() +
                metrics_->GetCounter("belfry_websocket_frames_dropped_total", "").Value(),
            accepted + 1);
}

// More than the network takes from a subscriber that does not read: 60 MB.
constexpr int kMoreThanTheNetworkTakes = 3000;
void OfferTooMuch(bus::Sink& sink, const std::string& path) {
  for (int i = 0; i < kMoreThanTheNetworkTakes; ++i) {
    const std::string text = std::to_string(i) + " " + path + std::string(20000, 's');
    ASSERT_EQ(sink.Offer(Text(text, path), 1), bus::OfferResult::kAccepted);
  }
}

TEST_F(ServerTest, SubscriberThatIsEndedGetsTheReasonAndNothingThatWaited) {
  options_.limits.max_queued_bytes = 1 << 30;
  Start();
  RawClient client(server_->Port());
  ASSERT_EQ(Upgrade(client).status, 101);
  const std::shared_ptr<subscriptions::Subscriber> sink = api_.Sink(0);
  Counter& sent = metrics_->GetCounter("belfry_websocket_frames_sent_total", "");
  Counter& dropped = metrics_->GetCounter("belfry_websocket_frames_dropped_total", "");
  OfferTooMuch(*sink, "a");
  sink->End("token revoked");
  EXPECT_EQ(sink->Offer(Text("more"), 1), bus::OfferResult::kClosed);
  api_.Forbid("a");  // As the authorizer of a token that has ended.
  std::optional<RawClient::Frame> frame;
  int received = 0;
  while ((frame = client.ReadFrame()) && frame->opcode == 1) {
    EXPECT_THAT(frame->payload, StartsWith(std::to_string(received++) + " a"));
  }
  ASSERT_TRUE(frame.has_value());
  EXPECT_EQ(CloseText(*frame), "1000 token revoked");
  client.SendFrame(8, "\x03\xe8");
  EXPECT_TRUE(client.Ended());
  EXPECT_LT(received, kMoreThanTheNetworkTakes);
  EXPECT_EQ(sent.Value(), static_cast<std::uint64_t>(received));
  EXPECT_EQ(received + dropped.Value(), std::uint64_t{kMoreThanTheNetworkTakes});
}

TEST_F(ServerTest, OfABatchUnderWayNoFrameBeginsAfterTheEndThoughItWasAllowed) {
  // More than the network takes of it, and less than a batch: the second frame waits beside it.
  api_.early_frames = {Text(std::string(250'000, 's')), Text("second")};
  Start();
  RawClient client(server_->Port(), 4096);
  ASSERT_EQ(Upgrade(client).status, 101);
  ASSERT_TRUE(client.AwaitBytes());
  api_.Sink(0)->End("permission was taken away");
  EXPECT_EQ(client.ReadFrame().value().payload.size(), 250'000u);
  EXPECT_EQ(CloseText(client.ReadFrame().value()), "1000 permission was taken away");
}

TEST_F(ServerTest, WhatIsForbiddenMeanwhileIsNotSentAndTheRestIs) {
  options_.limits.max_queued_bytes = 1 << 30;
  Start();
  RawClient client(server_->Port());
  ASSERT_EQ(Upgrade(client).status, 101);
  const std::shared_ptr<subscriptions::Subscriber> sink = api_.Sink(0);
  Counter& dropped = metrics_->GetCounter("belfry_websocket_frames_dropped_total", "");
  OfferTooMuch(*sink, "secret");
  api_.Forbid("secret");
  sink->AwaitSending();
  // One that was authorized by the old rules and is offered late, one of another path, one by the
  // new.
  EXPECT_EQ(sink->Offer(Text("late", "secret"), 1), bus::OfferResult::kAccepted);
  EXPECT_EQ(sink->Offer(Text("open", "open"), 1), bus::OfferResult::kAccepted);
  EXPECT_EQ(sink->Offer(Text("last", "open"), 2), bus::OfferResult::kAccepted);
  int received = 0;
  std::optional<RawClient::Frame> frame;
  while ((frame = client.ReadFrame()) && frame->payload != "open") {
    EXPECT_THAT(frame->payload, StartsWith(std::to_string(received++) + " secret"));
  }
  EXPECT_EQ(client.ReadFrame().value().payload, "last");
  EXPECT_LT(received, kMoreThanTheNetworkTakes);
  EXPECT_EQ(received + dropped.Value(), std::uint64_t{kMoreThanTheNetworkTakes + 1});
}

TEST_F(ServerTest, SubscriberThatIsEndedBeforeThe101StillLearnsWhy) {
  api_.end_early = true;
  Start();
  RawClient client(server_->Port());
  ASSERT_EQ(Upgrade(client).status, 101);
  EXPECT_EQ(CloseText(client.ReadFrame().value()), "1000 token revoked");
}

TEST_F(ServerTest, ClientThatSendsDataIsClosedWith1008) {
  Start();
  for (int opcode : {0, 1, 2}) {
    RawClient client(server_->Port());
    ASSERT_EQ(Upgrade(client).status, 101);
    client.SendFrame(opcode, "hello");
    EXPECT_EQ(CloseText(client.ReadFrame().value()), "1008 unexpected data message") << opcode;
    client.SendFrame(8, "\x03\xf0");
    EXPECT_TRUE(client.Ended()) << opcode;
  }
  api_.WaitForEndedSubscriptions(3);
}

TEST_F(ServerTest, MalformedFrameIsClosedWith1002) {
  Start();
  for (const std::string& bytes :
       {std::string("\x89\x00", 2), std::string("\x83\x80\x00\x00\x00\x00", 6),
        std::string("\xc9\x80\x00\x00\x00\x00", 6), std::string("\x09\x80\x00\x00\x00\x00", 6),
        std::string("\x89\xfe\x00\x7e\x00\x00\x00\x00", 8)}) {
    RawClient client(server_->Port());
    ASSERT_EQ(Upgrade(client).status, 101);
    client.Send(bytes);
    EXPECT_EQ(CloseText(client.ReadFrame().value()), "1002 malformed frame");
  }
}

TEST_F(ServerTest, PingIsAnsweredWithItsPayload) {
  Start();
  RawClient client(server_->Port());
  ASSERT_EQ(Upgrade(client).status, 101);
  client.SendFrame(9, "are you there");
  const RawClient::Frame pong = client.ReadFrame().value();
  EXPECT_EQ(pong.opcode, 10);
  EXPECT_EQ(pong.payload, "are you there");
}

TEST_F(ServerTest, CloseIsEchoedAndEndsTheSubscription) {
  Start();
  RawClient client(server_->Port());
  ASSERT_EQ(Upgrade(client).status, 101);
  client.SendFrame(8, "\x03\xe8 bye");
  EXPECT_EQ(CloseText(client.ReadFrame().value()), "1000 ");
  EXPECT_TRUE(client.Ended());
  api_.WaitForEndedSubscriptions(1);
}

TEST_F(ServerTest, ClientThatVanishesEndsItsSubscription) {
  Start();
  {
    RawClient client(server_->Port());
    ASSERT_EQ(Upgrade(client).status, 101);
  }
  api_.WaitForEndedSubscriptions(1);
}

TEST_F(ServerTest, FrameThatCameWithTheUpgradeIsRead) {
  Start();
  RawClient client(server_->Port());
  client.Send(Request(kSubscribe, kUpgrade) + std::string("\x89\x81\x00\x00\x00\x00!", 7));
  EXPECT_EQ(client.ReadResponse().status, 101);
  EXPECT_EQ(client.ReadFrame().value().payload, "!");
}

TEST_F(ServerTest, ServerThatEndsClosesSubscribersWith1001) {
  // The end waits for nobody once all have taken their leave.
  options_.shutdown_grace = absl::Seconds(60);
  Start();
  RawClient client(server_->Port());
  ASSERT_EQ(Upgrade(client).status, 101);
  RawClient idle(server_->Port());
  idle.Send(Request("GET /a"));
  EXPECT_EQ(idle.ReadResponse().status, 200);
  std::thread ender([this] { server_.reset(); });
  EXPECT_EQ(CloseText(client.ReadFrame().value()), "1001 server is shutting down");
  client.SendFrame(8, "\x03\xe9");
  EXPECT_TRUE(client.Ended());
  EXPECT_TRUE(idle.Ended());
  ender.join();
  api_.WaitForEndedSubscriptions(1);
}

TEST_F(ServerTest, ManyPublishersAndSubscribersLoseNothing) {
  constexpr int kSubscribers = 8;
  constexpr int kEvents = 2000;
  Start();
  std::deque<RawClient> clients;
  for (int i = 0; i < kSubscribers; ++i) {
    ASSERT_EQ(Upgrade(clients.emplace_back(server_->Port())).status, 101);
  }
  std::vector<std::thread> publishers;
  for (int p = 0; p < kSubscribers; ++p) {
    publishers.emplace_back([sink = api_.Sink(p)] {
      for (int i = 0; i < kEvents; ++i) {
        EXPECT_EQ(sink->Offer(Text(std::to_string(i)), 1), bus::OfferResult::kAccepted);
      }
    });
  }
  for (RawClient& client : clients) {
    for (int i = 0; i < kEvents; ++i)
      ASSERT_EQ(client.ReadFrame().value().payload, std::to_string(i));
  }
  for (std::thread& thread : publishers) thread.join();
}

}  // namespace
}  // namespace belfry::http
