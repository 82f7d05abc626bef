#include "server/http/transport.h"

#include <netinet/tcp.h>
#include <sys/socket.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/http/deadline.h"
#include "server/http/fake_api.h"
#include "server/http/gather.h"
#include "server/http/http_session.h"
#include "server/http/memory_transport.h"
#include "server/http/raw_client.h"
#include "server/http/session_context.h"
#include "server/http/tcp_transport.h"
#include "server/http/websocket_frames.h"

namespace belfry::http {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr std::size_t kMuchRoom = 1 << 20;
constexpr std::chrono::seconds kPatience{20};

// Runs what is ready and no more.
void Poll(asio::io_context& io) {
  io.restart();
  io.poll();
}

// Runs handlers and waits for the next until `done`; false when that does not come.
bool RunUntil(asio::io_context& io, const std::function<bool()>& done) {
  io.restart();
  while (!done()) {
    if (io.run_one_for(kPatience) == 0) return false;
  }
  return true;
}

std::string TextFrame(std::string_view payload) {
  return std::string(ServerFrameHeader(Opcode::kText, payload.size()).View()) +
         std::string(payload);
}

// A client's frame, with a mask that changes nothing.
std::string Masked(int opcode, std::string_view payload) {
  std::string frame = {static_cast<char>(0x80 | opcode), static_cast<char>(0x80 | payload.size())};
  return frame.append(4, '\0').append(payload);
}

// Sessions over memory, on the test's own thread.
class SessionTest : public ::testing::Test {
 protected:
  FakeApi api_;
  FakeClock clock_{absl::UnixEpoch()};
  std::unique_ptr<Metrics> metrics_ = NewMetrics();
  const std::shared_ptr<RecordingLogSink> log_ = std::make_shared<RecordingLogSink>();
  Limits limits_;
  Timeouts timeouts_;
  std::optional<SessionContext> context_;
  // After the context, so that what waits in it goes first.
  asio::io_context io_;

  void Poll() { http::Poll(io_); }
  bool RunUntil(const std::function<bool()>& done) { return http::RunUntil(io_, done); }

  // Serves the client from the next Poll on.
  void Serve(MemoryClient& client) {
    if (!context_) {
      context_.emplace(&api_, &clock_, limits_, Connections::Bounds{10, 10}, *metrics_,
                       Logger(log_, "http"), timeouts_);
    }
    std::unique_ptr<Transport> transport = client.Connect();
    const Strand strand = transport->strand();
    auto session =
        std::make_shared<HttpSession>(&*context_, std::move(transport), Connections::Stay::kUsual);
    asio::post(strand, [session = std::move(session)] { session->Start(); });
  }

  // The sink of the only subscriber.
  std::shared_ptr<subscriptions::Subscriber> Subscribe(MemoryClient& client) {
    Serve(client);
    client.Send(Request("GET /subscribe/json", kUpgrade));
    Poll();
    EXPECT_THAT(client.TakeReceived(), StartsWith("HTTP/1.1 101 "));
    return api_.Sink(0);
  }

  std::int64_t Sessions() {
    return metrics_->GetGauge("belfry_http_connections", "").Value() +
           metrics_->GetGauge("belfry_websocket_sessions", "").Value();
  }
};

constexpr char kAnswer[] =
    "HTTP/1.1 200 OK\r\nX: 1\r\nx: 2\r\nY: z\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n"
    "Content-Length: 6\r\n\r\nPUT /a";

// Two requests on one connection, the second with a body in chunks.
std::string TwoRequests() {
  return Request("PUT /a", "", "body") + Request("PUT /a", "Transfer-Encoding: chunked\r\n") +
         "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
}

class TwoRequestsTest : public SessionTest {
 protected:
  void SetUp() override {
    api_.answer = [](const api::HttpRequest& request, FakeApi::Respond respond) {
      respond(api::HttpResponse{
          200, {{"X", "1"}, {"Y", "z"}, {"x", "2"}}, request.method + " " + request.path});
    };
  }
  const std::string answers_ = std::string(kAnswer) + kAnswer;
};

TEST_F(TwoRequestsTest, AreAnsweredHoweverTheyAreCut) {
  for (std::size_t size : {std::size_t{1}, std::size_t{7}, kMuchRoom}) {
    MemoryClient client(&io_);
    client.SetMaxRead(size);
    Serve(client);
    client.Send(TwoRequests());
    Poll();
    EXPECT_EQ(client.TakeReceived(), answers_) << size;
    EXPECT_FALSE(client.closed()) << size;
    EXPECT_EQ(api_.LastRequest().body, "abcde") << size;
  }
}

TEST_F(TwoRequestsTest, AreAnsweredAsTheirBytesComeOneByOne) {
  MemoryClient client(&io_);
  Serve(client);
  for (const char byte : TwoRequests()) {
    client.Send({&byte, 1});
    Poll();
  }
  EXPECT_EQ(client.TakeReceived(), answers_);
}

TEST_F(TwoRequestsTest, AreAnsweredInOrderByAByteAWrite) {
  MemoryClient client(&io_);
  client.SetMaxWrite(1);
  Serve(client);
  client.Send(TwoRequests());
  Poll();
  EXPECT_EQ(client.TakeReceived(), answers_);
}

TEST_F(TwoRequestsTest, AreAnsweredAsFarAsThereIsRoom) {
  MemoryClient client(&io_);
  client.SetRoom(100);
  Serve(client);
  client.Send(TwoRequests());
  Poll();
  EXPECT_EQ(client.TakeReceived(), answers_.substr(0, 100));
  EXPECT_TRUE(client.awaited());
  client.SetRoom(kMuchRoom);
  Poll();
  EXPECT_EQ(client.TakeReceived(), answers_.substr(100));
  EXPECT_FALSE(client.awaited());
}

TEST_F(SessionTest, TheExpectationIsAnsweredByAByteAWrite) {
  MemoryClient client(&io_);
  client.SetMaxWrite(1);
  Serve(client);
  client.Send(Request("PUT /a", "Expect: 100-continue\r\nContent-Length: 4\r\n"));
  Poll();
  EXPECT_EQ(client.TakeReceived(), "HTTP/1.1 100 Continue\r\n\r\n");
  client.Send("body");
  Poll();
  EXPECT_THAT(client.TakeReceived(), EndsWith("\r\n\r\nPUT /a 4"));
}

TEST_F(SessionTest, AfterTheLastAnswerTheClientsEndIsAwaited) {
  MemoryClient client(&io_);
  Serve(client);
  client.Send(Request("GET /a", "Connection: close\r\n"));
  Poll();
  EXPECT_THAT(client.TakeReceived(), EndsWith("\r\n\r\nGET /a 0"));
  EXPECT_TRUE(client.server_finished());
  client.Send(std::string(100'000, 'x'));
  Poll();
  EXPECT_FALSE(client.closed());
  client.FinishSending();
  Poll();
  EXPECT_TRUE(client.closed());
  EXPECT_EQ(Sessions(), 0);
}

TEST_F(SessionTest, ABrokenTransportEndsTheSession) {
  const std::string whole = Request("GET /a");
  for (const std::string& sent :
       {std::string(), whole.substr(0, 20), Request("PUT /a", "Content-Length: 4\r\n"), whole}) {
    MemoryClient client(&io_);
    client.SetRoom(0);  // So that the whole request's answer is being sent.
    Serve(client);
    client.Send(sent);
    Poll();
    EXPECT_EQ(client.awaited(), sent == whole);
    EXPECT_EQ(Sessions(), 1) << sent;
    client.Break();
    Poll();
    EXPECT_TRUE(client.closed()) << sent;
    EXPECT_EQ(Sessions(), 0) << sent;
  }
}

TEST_F(SessionTest, ATransportThatBreaksBeforeTheAnswerEndsTheSession) {
  std::optional<FakeApi::Respond> respond;
  api_.answer = [&](const api::HttpRequest&, FakeApi::Respond it) {
    respond.emplace(std::move(it));
  };
  MemoryClient client(&io_);
  Serve(client);
  client.Send(Request("GET /a"));
  Poll();
  client.Break();
  (*respond)(api::HttpResponse{200, {}, "too late"});
  Poll();
  EXPECT_TRUE(client.closed());
  EXPECT_EQ(client.TakeReceived(), "");
  EXPECT_EQ(Sessions(), 0);
}

TEST_F(SessionTest, WhatHasJustComeIsNotAskedOnceTheSessionHasEnded) {
  MemoryClient client(&io_);
  Serve(client);
  Poll();
  context_->connections.ShutDown(std::chrono::steady_clock::time_point::min());
  client.Send(Request("GET /a"));
  Poll();
  EXPECT_TRUE(client.closed());
  EXPECT_EQ(api_.LastRequest().method, "");
  EXPECT_EQ(Sessions(), 0);
}

// Each: what the client does, and what it is then too slow for.
struct Slowness {
  const char* name;
  Timeouts::Duration Timeouts::*timeout;
  std::size_t room;
  std::string sent;
};
class SlowClientTest : public SessionTest, public ::testing::WithParamInterface<Slowness> {};

TEST_P(SlowClientTest, IsGivenItsTime) {
  MemoryClient client(&io_);
  client.SetRoom(GetParam().room);
  Serve(client);
  client.Send(GetParam().sent);
  Poll();
  EXPECT_FALSE(client.closed());
  EXPECT_EQ(Sessions(), 1);
}

TEST_P(SlowClientTest, IsCutOffAtTheDeadline) {
  timeouts_.*GetParam().timeout = Timeouts::Duration::zero();
  MemoryClient client(&io_);
  client.SetRoom(GetParam().room);
  Serve(client);
  client.Send(GetParam().sent);
  EXPECT_TRUE(RunUntil([&] { return client.closed(); }));
  Poll();
  EXPECT_EQ(Sessions(), 0);
}

INSTANTIATE_TEST_SUITE_P(
    , SlowClientTest,
    ::testing::Values(Slowness{"Idle", &Timeouts::idle, kMuchRoom, ""},
                      Slowness{"IdleAgain", &Timeouts::idle, kMuchRoom, Request("GET /a")},
                      Slowness{"InAHeader", &Timeouts::header, kMuchRoom, "GET /a HTTP/1.1\r\nHo"},
                      Slowness{"InABody", &Timeouts::body, kMuchRoom,
                               Request("PUT /a", "Content-Length: 4\r\n")},
                      Slowness{"ToRead", &Timeouts::write, 10, Request("GET /a")},
                      Slowness{"ToLeave", &Timeouts::leave, kMuchRoom,
                               Request("GET /a", "Connection: close\r\n")},
                      Slowness{"ToAnswerAClose", &Timeouts::close, kMuchRoom,
                               Request("GET /subscribe/json", kUpgrade) + Masked(1, "data")}),
    [](const auto& info) { return std::string(info.param.name); });

TEST_F(SessionTest, TheDeadlineOfTheRequestIsNotTheAnswers) {
  timeouts_.header = timeouts_.body = Timeouts::Duration::zero();
  std::optional<FakeApi::Respond> respond;
  api_.answer = [&](const api::HttpRequest&, FakeApi::Respond it) {
    respond.emplace(std::move(it));
  };
  MemoryClient client(&io_);
  Serve(client);
  client.Send(Request("PUT /a", "", "body"));
  Poll();
  ASSERT_TRUE(respond.has_value());
  Poll();
  EXPECT_FALSE(client.closed());
  (*respond)(api::HttpResponse{200, {}, "late"});
  Poll();
  EXPECT_THAT(client.TakeReceived(), EndsWith("\r\n\r\nlate"));
}

TEST_F(SessionTest, ClientsThatSendManyRequestsAtOnceTakeTurns) {
  std::string order;
  api_.answer = [&](const api::HttpRequest& request, FakeApi::Respond respond) {
    order += request.path;
    respond(api::HttpResponse{200, {}, ""});
  };
  MemoryClient first(&io_);
  MemoryClient second(&io_);
  Serve(first);
  Serve(second);
  first.Send(Request("GET /a") + Request("GET /a") + Request("GET /a"));
  second.Send(Request("GET /b") + Request("GET /b") + Request("GET /b"));
  Poll();
  EXPECT_EQ(order, "/a/b/a/b/a/b");
}

TEST_F(SessionTest, ReadsMoreAtOnceTheMoreOfABodyHasCome) {
  MemoryClient client(&io_);
  Serve(client);
  Poll();
  EXPECT_EQ(client.read_size(), 4096u);
  client.Send(Request("PUT /a", "Content-Length: 1000000\r\n"));
  Poll();
  EXPECT_EQ(client.read_size(), 4096u);
  client.Send(std::string(10'000, 'x'));
  Poll();
  EXPECT_EQ(client.read_size(), 10'000u);
  client.Send(std::string(490'000, 'x'));
  Poll();
  EXPECT_EQ(client.read_size(), 65536u);
  client.Send(std::string(500'000, 'x'));
  Poll();
  EXPECT_THAT(client.TakeReceived(), EndsWith("\r\n\r\nPUT /a 1000000"));
  EXPECT_EQ(client.read_size(), 4096u);
}

// Tokens are given room for two large bodies, and whoever has none for two large headers.
class HeldBytesTest : public SessionTest {
 protected:
  static constexpr std::size_t kBody = 150'000;
  static constexpr std::size_t kHeader = 60'000;
  static constexpr std::size_t kLargeAnswer = 300'000;

  void SetUp() override {
    limits_.max_held_request_bytes = 440'000;
    limits_.max_held_answer_bytes = kLargeAnswer + 1;
    api_.refuse_early = [](const api::HttpRequest& head) -> std::optional<api::HttpResponse> {
      if (head.Header("X-Vault-Token") == "root") return std::nullopt;
      return api::HttpResponse{403, {}, "no"};
    };
  }

  // Serves the client and sends a request with a token, without the last `missing` bytes of its
  // body.
  std::string Put(MemoryClient& client, std::size_t body, std::size_t missing = 0) {
    const std::string request =
        Request("PUT /a", "X-Vault-Token: root\r\n", std::string(body, 'x'));
    Serve(client);
    client.Send(std::string_view(request).substr(0, request.size() - missing));
    Poll();
    return client.TakeReceived();
  }
  // The same with a header that does not end, and no token.
  std::string SendPartOfHeader(MemoryClient& client, std::size_t size) {
    Serve(client);
    client.Send("GET /a HTTP/1.1\r\nX: " + std::string(size, 'x'));
    Poll();
    return client.TakeReceived();
  }
  std::uint64_t Refused() {
    return metrics_->GetCounter("belfry_http_requests_refused_total", "").Value();
  }
};

TEST_F(HeldBytesTest, ABodyThatDoesNotFitIsToldToTryAgain) {
  MemoryClient first(&io_);
  MemoryClient second(&io_);
  EXPECT_EQ(Put(first, kBody, 1), "");
  EXPECT_EQ(Put(second, kBody, 1), "");
  EXPECT_EQ(Refused(), 0u);
  MemoryClient third(&io_);
  const std::string refusal = Put(third, kBody, 1);
  EXPECT_THAT(refusal, StartsWith("HTTP/1.1 503 Service Unavailable\r\n"));
  EXPECT_THAT(refusal, HasSubstr("\r\nRetry-After: 1\r\n"));
  EXPECT_THAT(refusal, HasSubstr("\r\nConnection: close\r\n"));
  EXPECT_THAT(
      refusal,
      EndsWith("{\"errors\":[\"the server holds too many large requests; try again later\"]}\n"));
  EXPECT_TRUE(third.server_finished());
  EXPECT_EQ(Refused(), 1u);
  first.Send("x");
  Poll();
  EXPECT_THAT(first.TakeReceived(), EndsWith("PUT /a 150000"));
  MemoryClient again(&io_);
  EXPECT_THAT(Put(again, kBody), EndsWith("PUT /a 150000"));
  EXPECT_EQ(Refused(), 1u);
}

TEST_F(HeldBytesTest, SmallRequestsAlwaysFit) {
  MemoryClient bodies[2] = {MemoryClient(&io_), MemoryClient(&io_)};
  for (MemoryClient& client : bodies) EXPECT_EQ(Put(client, kBody, 1), "");
  MemoryClient headers[2] = {MemoryClient(&io_), MemoryClient(&io_)};
  EXPECT_EQ(SendPartOfHeader(headers[0], kHeader), "");
  EXPECT_EQ(SendPartOfHeader(headers[1], kHeader), "");
  MemoryClient large(&io_);
  EXPECT_THAT(Put(large, kBody), StartsWith("HTTP/1.1 503 "));
  for (int i = 0; i < 3; ++i) {
    MemoryClient small(&io_);
    EXPECT_THAT(Put(small, 10'000), EndsWith("PUT /a 10000"));
  }
}

TEST_F(HeldBytesTest, ABodyThatIsOnlyPromisedTakesNoRoom) {
  std::deque<MemoryClient> promising;
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(Put(promising.emplace_back(&io_), kBody, kBody), "");
  }
  MemoryClient client(&io_);
  EXPECT_THAT(Put(client, kBody), EndsWith("PUT /a 150000"));
}

TEST_F(HeldBytesTest, HeadersAboveTheirShareAreRefused) {
  MemoryClient first(&io_);
  MemoryClient second(&io_);
  EXPECT_EQ(SendPartOfHeader(first, kHeader), "");
  EXPECT_EQ(SendPartOfHeader(second, kHeader), "");
  MemoryClient third(&io_);
  EXPECT_THAT(SendPartOfHeader(third, kHeader), StartsWith("HTTP/1.1 503 "));
  first.Break();
  Poll();
  MemoryClient again(&io_);
  EXPECT_EQ(SendPartOfHeader(again, kHeader), "");
  EXPECT_EQ(Refused(), 1u);
}

TEST_F(HeldBytesTest, WhoHasNoTokenTakesNoRoomFromThoseWhoHave) {
  MemoryClient first(&io_);
  MemoryClient second(&io_);
  EXPECT_EQ(SendPartOfHeader(first, kHeader), "");
  EXPECT_EQ(SendPartOfHeader(second, kHeader), "");
  // Also a body so short that its token is not looked at while there is room.
  for (const std::size_t body : {std::size_t{50'000}, kBody}) {
    MemoryClient client(&io_);
    EXPECT_THAT(Put(client, body), EndsWith("PUT /a " + std::to_string(body)));
  }
  MemoryClient stranger(&io_);
  Serve(stranger);
  stranger.Send(Request("PUT /a", "", std::string(50'000, 'x')));
  Poll();
  EXPECT_THAT(stranger.TakeReceived(), StartsWith("HTTP/1.1 403 "));
}

// A body of the same size is read into many times as much.
TEST_F(HeldBytesTest, ManySmallValuesCountAsWhatTheyTakeUp) {
  std::deque<FakeApi::Respond> pending;
  api_.answer = [&](const auto&, FakeApi::Respond respond) {
    pending.push_back(std::move(respond));
  };
  const std::string values(1000, ',');
  MemoryClient clients[3] = {MemoryClient(&io_), MemoryClient(&io_), MemoryClient(&io_)};
  for (MemoryClient& client : clients) {
    Serve(client);
    client.Send(Request("PUT /a", "X-Vault-Token: root\r\n", values));
    Poll();
  }
  // One of those whose token has not been looked at, one of the others.
  EXPECT_EQ(clients[0].TakeReceived(), "");
  EXPECT_EQ(clients[1].TakeReceived(), "");
  EXPECT_THAT(clients[2].TakeReceived(), StartsWith("HTTP/1.1 503 "));
  for (FakeApi::Respond& respond : pending) respond(api::HttpResponse{});
  Poll();
}

TEST_F(HeldBytesTest, AnswersThatNobodyTakesLeaveRoomForOthers) {
  api_.answer = [](const api::HttpRequest& request, FakeApi::Respond respond) {
    const std::size_t size = request.path == "/large" ? kLargeAnswer : 1;
    respond(api::HttpResponse{200, {}, std::string(size, 'x')});
  };
  MemoryClient first(&io_);
  Serve(first);
  first.SetRoom(1000);
  first.Send(Request("GET /large"));
  Poll();
  MemoryClient second(&io_);
  Serve(second);
  second.Send(Request("GET /large"));
  Poll();
  EXPECT_THAT(second.TakeReceived(), StartsWith("HTTP/1.1 503 "));
  EXPECT_EQ(Refused(), 1u);
  MemoryClient small(&io_);
  Serve(small);
  small.Send(Request("GET /small"));
  Poll();
  EXPECT_THAT(small.TakeReceived(), StartsWith("HTTP/1.1 200 "));
  first.Break();
  Poll();
  MemoryClient third(&io_);
  Serve(third);
  third.Send(Request("GET /large"));
  Poll();
  EXPECT_THAT(third.TakeReceived(), StartsWith("HTTP/1.1 200 "));
}

TEST_F(HeldBytesTest, ManyShortFieldsCountAsWhatTheyTakeUp) {
  std::string fields;
  for (int i = 0; i < 1000; ++i) fields += "a:\r\n";
  std::string query;
  for (int i = 0; i < 999; ++i) query += "&b";
  MemoryClient clients[2] = {MemoryClient(&io_), MemoryClient(&io_)};
  for (MemoryClient& client : clients) {
    Serve(client);
    client.Send(Request("PUT /a?" + query, fields + "Content-Length: 1\r\n"));
    Poll();
  }
  EXPECT_EQ(clients[0].TakeReceived(), "");
  EXPECT_THAT(clients[1].TakeReceived(), StartsWith("HTTP/1.1 403 "));
}

TEST_F(HeldBytesTest, WhatIsHeldStaysHeldUntilTheAnswerThoughTheClientGoes) {
  std::deque<FakeApi::Respond> pending;
  const auto answer = std::exchange(api_.answer, [&](const auto&, FakeApi::Respond respond) {
    pending.push_back(std::move(respond));
  });
  for (int i = 0; i < 2; ++i) {
    MemoryClient client(&io_);
    EXPECT_EQ(Put(client, kBody), "");
    client.Break();
    Poll();
  }
  api_.answer = answer;
  MemoryClient third(&io_);
  EXPECT_THAT(Put(third, kBody), StartsWith("HTTP/1.1 503 "));
  pending.front()(api::HttpResponse{200, {}, "too late"});
  MemoryClient again(&io_);
  EXPECT_THAT(Put(again, kBody), EndsWith("PUT /a 150000"));
}

TEST_F(HeldBytesTest, TheLargestRequestFitsWhenItIsAlone) {
  limits_.max_held_request_bytes = 1;
  MemoryClient client(&io_);
  EXPECT_THAT(Put(client, kBody), EndsWith("PUT /a 150000"));
  client.Send(Request("GET /a", "X: " + std::string(kHeader, 'x') + "\r\n"));
  Poll();
  EXPECT_THAT(client.TakeReceived(), EndsWith("GET /a 0"));
  EXPECT_EQ(Refused(), 0u);
}

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
  client.Send(Request("GET /subscribe/json", kUpgrade));
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
  timeouts_.slow_close = Timeouts::Duration::zero();
  MemoryClient client(&io_);
  const std::shared_ptr<subscriptions::Subscriber> sink = Subscribe(client);
  client.SetRoom(0);
  sink->Offer(Text("first"), 1);
  Poll();
  EXPECT_FALSE(client.closed());
  sink->End("token revoked");
  EXPECT_TRUE(RunUntil([&] { return client.closed(); }));
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
    client.Send(Request("GET /subscribe/json", kUpgrade));
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

class DeadlineTest : public ::testing::Test {
 protected:
  struct Owner {
    explicit Owner(asio::io_context& io) : deadline(asio::make_strand(io)) {}
    Deadline deadline;
    int expired = 0;
  };

  asio::io_context io_;
  std::shared_ptr<Owner> owner_ = std::make_shared<Owner>(io_);
  Deadline& deadline_ = owner_->deadline;
  static constexpr Deadline::Clock::duration kNow = Deadline::Clock::duration::zero();
  static constexpr std::chrono::hours kLater{1};

  DeadlineTest() {
    deadline_.OnExpiry(owner_, [owner = owner_.get()] { ++owner->expired; });
  }
  bool Expires(int times) {
    return RunUntil(io_, [&] { return owner_->expired == times; });
  }
};

TEST_F(DeadlineTest, PassesOnceEachTimeItIsSet) {
  deadline_.SetAfter(kNow);
  EXPECT_TRUE(Expires(1));
  Poll(io_);
  EXPECT_EQ(owner_->expired, 1);
  deadline_.SetAfter(kNow);
  EXPECT_TRUE(Expires(2));
}

TEST_F(DeadlineTest, PassesSoonerWhereItIsMovedSooner) {
  deadline_.SetAfter(kLater);
  deadline_.SetAfter(kNow);
  EXPECT_TRUE(Expires(1));
}

TEST_F(DeadlineTest, DoesNotPassAtTheTimeItHadBefore) {
  deadline_.SetAfter(kNow);
  deadline_.SetAfter(kLater);
  EXPECT_EQ(io_.run_one_for(kPatience), 1u);  // The timer, which looks again.
  EXPECT_EQ(owner_->expired, 0);
  deadline_.SetAfter(kNow);
  EXPECT_TRUE(Expires(1));
}

TEST_F(DeadlineTest, DoesNotPassOnceItIsCleared) {
  deadline_.SetAfter(kNow);
  deadline_.Clear();
  io_.run();  // Until nothing is left to wait for.
  EXPECT_EQ(owner_->expired, 0);
  deadline_.SetAfter(kNow);
  EXPECT_TRUE(Expires(1));
}

TEST_F(DeadlineTest, DoesNotPassOnceItsOwnerIsGone) {
  int expired = 0;
  auto owner = std::make_shared<Owner>(io_);
  owner->deadline.OnExpiry(owner, [&] { ++expired; });
  owner->deadline.SetAfter(kNow);
  owner.reset();
  io_.run();
  EXPECT_EQ(expired, 0);
}

// Both ends of a connection over loopback.
class TcpTransportTest : public ::testing::Test {
 protected:
  TcpTransportTest() {
    tcp::acceptor acceptor(io_, {asio::ip::address_v4::loopback(), 0});
    client_.connect(acceptor.local_endpoint());
    Socket socket = acceptor.accept(asio::make_strand(io_));
    descriptor_ = socket.native_handle();
    transport_ = std::make_unique<TcpTransport>(std::move(socket), std::chrono::seconds(7));
  }

  int Option(int name) const {
    int value = 0;
    socklen_t size = sizeof value;
    ::getsockopt(descriptor_, IPPROTO_TCP, name, &value, &size);
    return value;
  }

  std::optional<std::size_t> Write(std::string_view bytes) {
    Gather<1> gather(0);
    gather.Add(bytes);
    return transport_->WriteSome(gather.pieces());
  }

  // What is read next, or why nothing is.
  std::pair<error_code, std::string> Read() {
    std::string buffer(100, '\0');
    std::optional<std::pair<error_code, std::size_t>> read;
    transport_->ReadSome(asio::buffer(buffer),
                         [&](error_code error, std::size_t size) { read.emplace(error, size); });
    EXPECT_FALSE(read.has_value());
    EXPECT_TRUE(RunUntil(io_, [&] { return read.has_value(); }));
    return {read->first, buffer.substr(0, read->second)};
  }

  asio::io_context io_;
  tcp::socket client_{io_};
  int descriptor_ = -1;
  std::unique_ptr<Transport> transport_;
};

TEST_F(TcpTransportTest, KnowsItsPeer) {
  EXPECT_EQ(transport_->PeerAddress(), "127.0.0.1");
}

TEST_F(TcpTransportTest, SetsTheSocketsOptions) {
  EXPECT_NE(Option(TCP_NODELAY), 0);
  EXPECT_EQ(Option(TCP_USER_TIMEOUT), 7000);
  transport_->LimitUnsent(4321);
  EXPECT_EQ(Option(TCP_NOTSENT_LOWAT), 4321);
}

TEST_F(TcpTransportTest, PiecesLeaveTogetherAndInOrder) {
  std::vector<std::string> pieces;
  Gather<Transport::kMaxPieces> gather(3);
  std::string all;
  for (std::size_t i = 0; i < Transport::kMaxPieces; ++i) {
    all += pieces.emplace_back(std::to_string(i) + (i == 0 ? ".." : ""));
  }
  for (const std::string& piece : pieces) gather.Add(piece);
  all.erase(0, 3);
  EXPECT_EQ(transport_->WriteSome(gather.pieces()), all.size());
  std::string received(all.size(), '\0');
  asio::read(client_, asio::buffer(received));
  EXPECT_EQ(received, all);
}

TEST_F(TcpTransportTest, WhatTheSocketHasNoRoomForFollows) {
  transport_->LimitUnsent(4096);
  std::string all;
  for (int i = 0; i < 300'000; ++i) all += std::to_string(i);
  std::string received(all.size(), '\0');
  std::thread reader;
  std::size_t sent = 0;
  bool waited = false;
  bool writable = true;
  while (sent < all.size()) {
    const std::optional<std::size_t> size = Write(std::string_view(all).substr(sent));
    ASSERT_TRUE(size.has_value());
    sent += *size;
    if (*size > 0) continue;
    // It is full for the first time before anything is read.
    if (!std::exchange(waited, true)) {
      reader = std::thread([&] { asio::read(client_, asio::buffer(received)); });
    }
    writable = false;
    transport_->AwaitWritable([&](error_code error) { writable = !error; });
    EXPECT_FALSE(writable);
    ASSERT_TRUE(RunUntil(io_, [&] { return writable; }));
  }
  EXPECT_TRUE(waited);
  if (reader.joinable()) reader.join();
  EXPECT_TRUE(received == all);
}

TEST_F(TcpTransportTest, ReadsWhatComesAndThenTheEnd) {
  asio::write(client_, asio::buffer("hello", 5));
  EXPECT_EQ(Read(), std::pair(error_code(), std::string("hello")));
  client_.shutdown(tcp::socket::shutdown_send);
  EXPECT_EQ(Read().first, asio::error::eof);
}

TEST_F(TcpTransportTest, ReadingGoesOnAfterShutdownSend) {
  EXPECT_EQ(Write("bye"), 3u);
  transport_->ShutdownSend();
  std::string received(100, '\0');
  error_code error;
  received.resize(asio::read(client_, asio::buffer(received), error));
  EXPECT_EQ(error, asio::error::eof);
  EXPECT_EQ(received, "bye");
  asio::write(client_, asio::buffer("more", 4));
  EXPECT_EQ(Read().second, "more");
}

TEST_F(TcpTransportTest, CloseEndsTheReadUnderWay) {
  std::string buffer(100, '\0');
  error_code result;
  transport_->ReadSome(asio::buffer(buffer),
                       [&](error_code error, std::size_t) { result = error; });
  Poll(io_);
  EXPECT_FALSE(result);
  transport_->Close();
  transport_->Close();
  EXPECT_FALSE(result);
  Poll(io_);
  EXPECT_EQ(result, asio::error::operation_aborted);
  EXPECT_EQ(Write("more"), std::nullopt);
  EXPECT_TRUE(Read().first);
}

TEST_F(TcpTransportTest, IsBrokenWithoutASignalOnceThePeerHasReset) {
  client_.set_option(tcp::socket::linger(true, 0));
  client_.close();
  EXPECT_EQ(Read().first, asio::error::connection_reset);
  EXPECT_EQ(Write("more"), std::nullopt);
}

}  // namespace
}  // namespace belfry::http
