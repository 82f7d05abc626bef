// What the server holds for its clients is bounded over all connections.

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <utility>

#include "server/http/session_fixture.h"

namespace belfry::http {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

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

}  // namespace
}  // namespace belfry::http
