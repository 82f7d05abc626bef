#include "server/http/http_session.h"

#include <chrono>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "server/http/session_fixture.h"

namespace belfry::http {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

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
  AnswerLater(respond);
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
  absl::Duration Timeouts::*timeout;
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
  Pass(timeouts_.*GetParam().timeout - absl::Nanoseconds(1));
  EXPECT_FALSE(client.closed());
  EXPECT_EQ(Sessions(), 1);
}

TEST_P(SlowClientTest, IsCutOffAtTheDeadline) {
  MemoryClient client(&io_);
  client.SetRoom(GetParam().room);
  Serve(client);
  client.Send(GetParam().sent);
  Poll();
  Pass(timeouts_.*GetParam().timeout);
  EXPECT_TRUE(client.closed());
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
                               Request(kSubscribe, kUpgrade) + Masked(1, "data")}),
    [](const auto& info) { return std::string(info.param.name); });

TEST_F(SessionTest, AnAnswerThatDoesNotComeIs504AndALaterOneIsDropped) {
  std::optional<FakeApi::Respond> respond;
  AnswerLater(respond);
  MemoryClient client(&io_);
  Serve(client);
  client.Send(Request("GET /a"));
  Poll();
  Pass(limits_.max_request_duration);
  EXPECT_EQ(client.TakeReceived(), "");
  Pass(absl::Seconds(5));
  EXPECT_THAT(client.TakeReceived(), StartsWith("HTTP/1.1 504 "));
  (*respond)(api::HttpResponse{200, {}, "late"});
  Poll();
  EXPECT_EQ(client.TakeReceived(), "");
}

TEST_F(SessionTest, WhatAwaitsAnAnswerEndsWhenTheServerAsksForTheSecondTime) {
  api_.answer = [](const api::HttpRequest&, const FakeApi::Respond&) {};
  MemoryClient client(&io_);
  Serve(client);
  client.Send(Request("GET /a"));
  Poll();
  for (const bool ends : {false, true}) {
    context_->connections.ShutDown(std::chrono::steady_clock::time_point::min());
    Poll();
    EXPECT_EQ(client.closed(), ends);
  }
  EXPECT_EQ(Sessions(), 0);
}

TEST_F(SessionTest, TheDeadlineOfTheRequestIsNotTheAnswers) {
  std::optional<FakeApi::Respond> respond;
  AnswerLater(respond);
  MemoryClient client(&io_);
  Serve(client);
  client.Send(Request("PUT /a", "", "body"));
  Poll();
  ASSERT_TRUE(respond.has_value());
  Pass(std::max(timeouts_.header, timeouts_.body));
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

// Of ten connections eight may subscribe.
class SubscribingTest : public SessionTest {
 protected:
  static constexpr std::size_t kMostSubscribers = 8;

  // Has a new client ask; it stays.
  std::string Ask(std::string_view first_line, std::string_view headers = kUpgrade) {
    Serve(clients_.emplace_back(&io_));
    return AskAgain(first_line, headers);
  }
  // The same of the last client.
  std::string AskAgain(std::string_view first_line, std::string_view headers = kUpgrade) {
    clients_.back().Send(Request(first_line, headers));
    Poll();
    return clients_.back().TakeReceived();
  }
  void SubscribeAsManyAsMay() {
    for (std::size_t i = 0; i < kMostSubscribers; ++i) {
      EXPECT_THAT(Ask(kSubscribe), StartsWith("HTTP/1.1 101 "));
    }
  }
  // Has requests with a subscriber wait for OpenNow.
  void OpenLater() {
    api_.subscribe = [this](const auto&, const auto& subscriber, FakeApi::Respond respond) {
      subscriber_ = subscriber;
      respond_.emplace(std::move(respond));
    };
  }
  void OpenNow() {
    (*respond_)(api_.Open("/json", std::exchange(subscriber_, nullptr)));
    Poll();
  }

  std::deque<MemoryClient> clients_;
  std::shared_ptr<subscriptions::Subscriber> subscriber_;
  std::optional<FakeApi::Respond> respond_;
};

TEST_F(SubscribingTest, TooManySubscriptionsIsTheLastReasonToRefuseOne) {
  SubscribeAsManyAsMay();
  EXPECT_THAT(Ask("GET /v1/sys/events/subscribe/refused"), StartsWith("HTTP/1.1 403 "));
  EXPECT_THAT(AskAgain(kSubscribe, ""), StartsWith("HTTP/1.1 426 "));
  const std::string refusal = AskAgain(kSubscribe);
  EXPECT_THAT(refusal, StartsWith("HTTP/1.1 503 "));
  EXPECT_THAT(refusal, HasSubstr("\r\nRetry-After: 1\r\n"));
  EXPECT_THAT(refusal, EndsWith("{\"errors\":[\"too many subscriptions are open on this server; "
                                "try again later\"]}\n"));
  clients_.front().Break();
  Poll();
  EXPECT_THAT(AskAgain(kSubscribe), StartsWith("HTTP/1.1 101 "));
}

TEST_F(SubscribingTest, ARefusedRequestTakesNoPlace) {
  for (std::size_t i = 0; i < kMostSubscribers; ++i) {
    EXPECT_THAT(Ask(kSubscribe, ""), StartsWith("HTTP/1.1 426 "));
    EXPECT_THAT(AskAgain("GET /v1/sys/events/subscribe/refused"), StartsWith("HTTP/1.1 403 "));
  }
  SubscribeAsManyAsMay();
}

TEST_F(SubscribingTest, WhatIsOpenedAfterThe504EndsAndTakesNoPlace) {
  const auto at_once = api_.subscribe;
  OpenLater();
  EXPECT_EQ(Ask(kSubscribe), "");
  Pass(limits_.max_request_duration + absl::Seconds(5));
  EXPECT_THAT(clients_.back().TakeReceived(), StartsWith("HTTP/1.1 504 "));
  OpenNow();
  api_.WaitForEndedSubscriptions(1);
  EXPECT_EQ(api_.Sink(0), nullptr);
  EXPECT_EQ(clients_.back().TakeReceived(), "");
  api_.subscribe = at_once;
  SubscribeAsManyAsMay();
}

TEST_F(SubscribingTest, WhatIsOpenedForAClientThatIsGoneEnds) {
  OpenLater();
  EXPECT_EQ(Ask(kSubscribe), "");
  for (int i = 0; i < 2; ++i) {
    context_->connections.ShutDown(std::chrono::steady_clock::time_point::min());
    Poll();
  }
  EXPECT_TRUE(clients_.back().closed());
  EXPECT_EQ(Sessions(), 0);
  OpenNow();
  api_.WaitForEndedSubscriptions(1);
  EXPECT_EQ(api_.Sink(0), nullptr);
}

TEST_F(SubscribingTest, AnEvictedClientIsRefusedAndItsSubscriptionEnds) {
  OpenLater();
  Serve(clients_.emplace_back(&io_));
  Poll();
  // It learns that it has to make room when its request has just come.
  clients_.back().Send(Request(kSubscribe, kUpgrade));
  EXPECT_TRUE(context_->connections.EvictOne());
  Poll();
  ASSERT_TRUE(respond_.has_value());
  OpenNow();
  const std::string refusal = clients_.back().TakeReceived();
  EXPECT_THAT(refusal, StartsWith("HTTP/1.1 503 "));
  EXPECT_THAT(refusal, HasSubstr("too many connections; try again later"));
  EXPECT_TRUE(clients_.back().server_finished());
  api_.WaitForEndedSubscriptions(1);
}

}  // namespace
}  // namespace belfry::http
