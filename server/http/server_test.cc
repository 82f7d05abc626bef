#include "server/http/server.h"

#include <deque>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/mutex.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/http/fake_api.h"
#include "server/http/raw_client.h"

namespace belfry::http {
namespace {

using ::testing::AnyOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class ServerTest : public ::testing::Test {
 protected:
  FakeApi api_;
  std::unique_ptr<Metrics> metrics_ = NewMetrics();
  Options options_;
  std::unique_ptr<Server> server_;

  void Start() {
    options_.port = 0;
    absl::StatusOr<std::unique_ptr<Server>> server =
        Server::Start(options_, &api_, metrics_.get(), Logger());
    ASSERT_EQ(server.status(), absl::OkStatus());
    server_ = *std::move(server);
  }
  RawClient::Response Ask(std::string_view request) {
    RawClient client(server_->Port());
    client.Send(request);
    return client.ReadResponse();
  }
  // Sends an upgrade and reads its answer.
  RawClient::Response Upgrade(RawClient& client, std::string_view type = "json") {
    client.Send(Request("GET /v1/sys/events/subscribe/" + std::string(type), kUpgrade));
    return client.ReadResponse();
  }
};

TEST_F(ServerTest, RequestReachesTheApiInItsParts) {
  Start();
  const RawClient::Response response =
      Ask(Request("LIST /v1/secret/a%20b%2A?list=true&x=%2B+1&x=&y",
                  "X-Vault-Token: root\r\nx-vault-token: other\r\n"));
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.body, "LIST /v1/secret/a b* 0");
  const api::HttpRequest request = api_.LastRequest();
  EXPECT_THAT(request.query,
              ::testing::ElementsAre(::testing::Pair("list", "true"), ::testing::Pair("x", "+ 1"),
                                     ::testing::Pair("x", ""), ::testing::Pair("y", "")));
  EXPECT_EQ(request.Header("X-Vault-Token"), "root");
  EXPECT_EQ(request.LastHeader("X-Vault-Token"), "other");
  EXPECT_EQ(request.remote_address, "127.0.0.1");
  EXPECT_EQ(request.version, 11u);
}

TEST_F(ServerTest, OneConnectionCarriesManyRequests) {
  Start();
  RawClient client(server_->Port());
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(client.Send(Request("PUT /a", "", std::string(i + 1, 'x'))));
    EXPECT_EQ(client.ReadResponse().body, "PUT /a " + std::to_string(i + 1));
  }
}

TEST_F(ServerTest, PipelinedRequestsAreAnsweredOneAfterTheOther) {
  std::vector<std::thread> threads;
  Mutex mutex;
  api_.answer = [&threads, &mutex](const api::HttpRequest& request, FakeApi::Respond respond) {
    MutexLock lock(&mutex);
    threads.emplace_back([path = request.path, respond = std::move(respond)]() mutable {
      respond(api::HttpResponse{200, {}, path});
    });
  };
  Start();
  RawClient client(server_->Port());
  client.Send(Request("PUT /1", "", "body") + Request("GET /2") + Request("GET /3"));
  EXPECT_EQ(client.ReadResponse().body, "/1");
  EXPECT_EQ(client.ReadResponse().body, "/2");
  EXPECT_EQ(client.ReadResponse().body, "/3");
  for (std::thread& thread : threads) thread.join();
}

TEST_F(ServerTest, ConnectionEndsWhenTheClientAsksForIt) {
  Start();
  RawClient client(server_->Port());
  client.Send(Request("GET /a", "Connection: close\r\n"));
  EXPECT_THAT(client.ReadResponse().head, HasSubstr("Connection: close\r\n"));
  EXPECT_TRUE(client.Ended());
  RawClient old(server_->Port());
  old.Send("GET /a HTTP/1.0\r\n\r\n");
  EXPECT_EQ(old.ReadResponse().body, "GET /a 0");
  EXPECT_TRUE(old.Ended());
}

TEST_F(ServerTest, BodyOfNineMebibytesArrives) {
  Start();
  EXPECT_EQ(Ask(Request("PUT /big", "", std::string(9 << 20, 'x'))).body, "PUT /big 9437184");
}

TEST_F(ServerTest, ChunkedBodyArrives) {
  Start();
  EXPECT_EQ(
      Ask(Request("PUT /c", "Transfer-Encoding: chunked\r\n") + "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
          .body,
      "PUT /c 5");
}

TEST_F(ServerTest, BodyAboveTheLimitIs413) {
  options_.limits.max_request_body_bytes = 1000;
  Start();
  EXPECT_EQ(Ask(Request("PUT /a", "", std::string(1000, 'x'))).status, 200);
  EXPECT_EQ(Ask(Request("PUT /a", "", std::string(1001, 'x'))).status, 413);
  EXPECT_EQ(
      Ask(Request("PUT /a", "Transfer-Encoding: chunked\r\n") + "7d0\r\n" + std::string(2000, 'x'))
          .status,
      413);
}

TEST_F(ServerTest, HeadersAboveTheLimitAre431) {
  options_.limits.max_request_header_bytes = 10000;
  Start();
  EXPECT_EQ(Ask(Request("GET /a", "X: " + std::string(9000, 'x') + "\r\n")).status, 200);
  EXPECT_EQ(Ask(Request("GET /a", "X: " + std::string(20000, 'x') + "\r\n")).status, 431);
}

TEST_F(ServerTest, HeadersOfNearlyAMebibyteAreAccepted) {
  Start();
  std::string headers;
  while (headers.size() < 1000 * 1000)
    headers += "X-Vault-Token: hvs." + std::string(90, 'x') + "\r\n";
  EXPECT_EQ(Ask(Request("GET /a", headers)).status, 200);
}

TEST_F(ServerTest, ExpectationIsAnsweredBeforeTheBody) {
  Start();
  RawClient client(server_->Port());
  client.Send("PUT /a HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n");
  EXPECT_EQ(client.ReadResponse().status, 100);
  client.Send("body");
  EXPECT_EQ(client.ReadResponse().body, "PUT /a 4");
}

api::HttpResponse Forbidden() {
  return {403, {}, "no"};
}

TEST_F(ServerTest, ALargeBodyIsNotAwaitedWhereTheApiRefusesIt) {
  api_.refuse_early = [](const api::HttpRequest& head) -> std::optional<api::HttpResponse> {
    EXPECT_EQ(head.path, "/a b");
    EXPECT_EQ(head.Query("x") == nullptr ? "" : *head.Query("x"), "1");
    EXPECT_EQ(head.remote_address, "127.0.0.1");
    return Forbidden();
  };
  Start();
  RawClient client(server_->Port());
  client.Send(Request("PUT /a%20b?x=1", "Content-Length: 65537\r\n"));
  const RawClient::Response response = client.ReadResponse();
  EXPECT_EQ(response.status, 403);
  EXPECT_THAT(response.head, HasSubstr("Connection: close\r\n"));
  EXPECT_TRUE(client.Ended());
  EXPECT_THAT(api_.AskedAbout(), ElementsAre(65537));
  EXPECT_EQ(api_.LastRequest().method, "");
}

TEST_F(ServerTest, TheAnswerReachesAClientThatGoesOnSending) {
  api_.refuse_early = [](const api::HttpRequest&) { return Forbidden(); };
  Start();
  EXPECT_EQ(Ask(Request("PUT /a", "", std::string(20 << 20, 'x'))).status, 403);
}

TEST_F(ServerTest, ASmallBodyIsReadUnasked) {
  api_.refuse_early = [](const api::HttpRequest&) { return Forbidden(); };
  Start();
  EXPECT_EQ(Ask(Request("PUT /a", "", std::string(65536, 'x'))).body, "PUT /a 65536");
  EXPECT_EQ(Ask(Request("PUT /a", "Transfer-Encoding: chunked\r\n") + "10000\r\n" +
                std::string(65536, 'x') + "\r\n0\r\n\r\n")
                .body,
            "PUT /a 65536");
  EXPECT_THAT(api_.AskedAbout(), ElementsAre());
}

TEST_F(ServerTest, AChunkedBodyIsAskedAboutAsItGrows) {
  Start();
  std::string chunks;
  for (int i = 0; i < 20; ++i) chunks += "4000\r\n" + std::string(16384, 'x') + "\r\n";
  EXPECT_EQ(Ask(Request("PUT /a", "Transfer-Encoding: chunked\r\n") + chunks + "0\r\n\r\n").body,
            "PUT /a 327680");
  EXPECT_THAT(api_.AskedAbout(), ElementsAre(5 * 16384, 9 * 16384, 17 * 16384));
}

TEST_F(ServerTest, AChunkIsNotAwaitedWhereTheApiRefusesIt) {
  api_.refuse_early = [](const api::HttpRequest&) { return Forbidden(); };
  Start();
  RawClient client(server_->Port());
  client.Send(Request("PUT /a", "Transfer-Encoding: chunked\r\n") + "1\r\nx\r\n100000\r\nx");
  EXPECT_EQ(client.ReadResponse().status, 403);
  EXPECT_TRUE(client.Ended());
  EXPECT_THAT(api_.AskedAbout(), ElementsAre(1 + (1 << 20)));
}

TEST_F(ServerTest, AnExpectationIsAnsweredWithTheRefusal) {
  api_.refuse_early = [](const api::HttpRequest&) { return Forbidden(); };
  Start();
  for (const char* length : {"Content-Length: 4\r\n", "Transfer-Encoding: chunked\r\n"}) {
    RawClient client(server_->Port());
    client.Send(Request("PUT /a", std::string("Expect: 100-continue\r\n") + length));
    EXPECT_EQ(client.ReadResponse().status, 403) << length;
    EXPECT_TRUE(client.Ended()) << length;
  }
}

TEST_F(ServerTest, AConnectionThatOwesABodyMakesRoom) {
  options_.limits.max_connections = 2;
  Start();
  std::deque<RawClient> owing;
  for (const char* half :
       {"Content-Length: 100\r\n\r\nhalf", "Transfer-Encoding: chunked\r\n\r\n4\r\nhalf"}) {
    RawClient& client = owing.emplace_back(server_->Port());
    client.Send(Request("GET /a") + "PUT /a HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n" +
                half);
    EXPECT_EQ(client.ReadResponse().status, 200);
    // By now the server knows what it is owed.
    EXPECT_EQ(client.ReadResponse(RawClient::Body::kNone).status, 100);
  }
  std::deque<RawClient> others;
  for (int i = 0; i < 2; ++i) {
    RawClient& client = others.emplace_back(server_->Port());
    client.Send(Request("GET /a"));
    EXPECT_EQ(client.ReadResponse().status, 200);
  }
  for (RawClient& client : owing) EXPECT_TRUE(client.Ended());
}

TEST_F(ServerTest, HeadHasTheLengthAndNoBody) {
  Start();
  RawClient client(server_->Port());
  client.Send(Request("HEAD /a"));
  EXPECT_THAT(client.ReadResponse(RawClient::Body::kNone).head, HasSubstr("Content-Length: 9\r\n"));
  client.Send(Request("GET /b"));
  EXPECT_EQ(client.ReadResponse().body, "GET /b 0");
}

TEST_F(ServerTest, NoContentHasNoLength) {
  api_.answer = [](const api::HttpRequest&, FakeApi::Respond respond) {
    respond(api::HttpResponse{204, {{"Content-Type", "application/json"}}, ""});
  };
  Start();
  RawClient client(server_->Port());
  client.Send(Request("DELETE /a") + Request("DELETE /a"));
  const std::string head = client.ReadResponse().head;
  EXPECT_THAT(head, StartsWith("HTTP/1.1 204 No Content\r\n"));
  EXPECT_THAT(head, ::testing::Not(HasSubstr("Content-Length")));
  EXPECT_EQ(client.ReadResponse().status, 204);
}

TEST_F(ServerTest, RubbishIsRefusedAndTheServerGoesOn) {
  Start();
  for (const std::string& rubbish :
       {std::string("rubbish\r\n\r\n"), std::string("GET /a HTTP/9.9\r\n\r\n"),
        std::string("GET /a\r\n\r\n"), std::string("\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", 11),
        std::string("GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n"),
        std::string("GET a HTTP/1.1\r\nHost: x\r\n\r\n"), std::string("GET /a HTTP/1.1\r\n\r\n"),
        std::string("GET /a HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n"),
        std::string("GET /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n"),
        std::string("PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: "
                    "chunked\r\n\r\n"),
        std::string("PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length:\r\n 3\r\n\r\nabc"),
        std::string("GET /a HTTP/1.1\r\nHost: x\r\n y\r\n\r\n")}) {
    RawClient client(server_->Port());
    client.Send(rubbish);
    EXPECT_EQ(client.ReadResponse().status, 400) << rubbish;
    EXPECT_TRUE(client.Ended()) << rubbish;
  }
  EXPECT_EQ(Ask(Request("GET /a")).status, 200);
}

TEST_F(ServerTest, ClientThatLeavesInTheMiddleIsForgotten) {
  Start();
  {
    RawClient client(server_->Port());
    client.Send("PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf");
  }
  EXPECT_EQ(Ask(Request("GET /a")).status, 200);
}

TEST_F(ServerTest, AnswerThatComesAfterTheServerIsGoneIsDropped) {
  Mutex mutex;
  CondVar changed;
  std::optional<FakeApi::Respond> late;
  api_.answer = [&](const api::HttpRequest&, FakeApi::Respond respond) {
    MutexLock lock(&mutex);
    late.emplace(std::move(respond));
    changed.NotifyAll();
  };
  options_.shutdown_grace = absl::Milliseconds(20);
  Start();
  RawClient client(server_->Port());
  client.Send(Request("GET /slow"));
  {
    MutexLock lock(&mutex);
    while (!late) changed.Wait(&mutex);
  }
  server_.reset();
  (*late)(api::HttpResponse{200, {}, "too late"});
  EXPECT_TRUE(client.Ended());
}

TEST_F(ServerTest, PortThatIsTakenIsUnavailableAndNamed) {
  Start();
  Options second = options_;
  second.port = server_->Port();
  const auto other = Server::Start(second, &api_, metrics_.get(), Logger());
  EXPECT_EQ(other.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(other.status().message()),
              StartsWith("cannot listen on 127.0.0.1:" + std::to_string(second.port) + ": "));
}

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
