#include "server/http/server.h"

#include <deque>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/mutex.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/http/server_fixture.h"

namespace belfry::http {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

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

TEST_F(ServerTest, EachOfSeveralListenersServes) {
  options_.listeners.resize(2);
  Start();
  EXPECT_NE(server_->Port(0), server_->Port(1));
  for (std::size_t listener : {0, 1}) {
    RawClient client(server_->Port(listener));
    client.Send(Request("GET /a"));
    EXPECT_EQ(client.ReadResponse().body, "GET /a 0");
  }
}

TEST_F(ServerTest, SeveralListenersHaveOneBoundOfConnectionsTogether) {
  options_.listeners.resize(2);
  options_.limits.max_connections = 2;
  Start();
  std::deque<RawClient> owing;
  for (std::size_t listener : {0, 1}) {
    RawClient& client = owing.emplace_back(server_->Port(listener));
    client.Send(
        "PUT /a HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 100\r\n\r\n");
    // By now the server knows what it is owed.
    EXPECT_EQ(client.ReadResponse(RawClient::Body::kNone).status, 100);
  }
  std::deque<RawClient> others;
  for (int i = 0; i < 2; ++i) {
    RawClient& client = others.emplace_back(server_->Port(0));
    client.Send(Request("GET /a"));
    EXPECT_EQ(client.ReadResponse().status, 200);
  }
  for (RawClient& client : owing) EXPECT_TRUE(client.Ended());
}

TEST_F(ServerTest, MoreConnectionsThanOneTurnAcceptsAreAllServed) {
  Start();
  std::deque<RawClient> clients;
  for (int i = 0; i < 150; ++i) clients.emplace_back(server_->Port(0)).Send(Request("GET /a"));
  for (RawClient& client : clients) EXPECT_EQ(client.ReadResponse().status, 200);
}

TEST_F(ServerTest, ConnectionsAboveTheLimitGet503AndOneLineInTheLog) {
  options_.limits.max_connections = 1;
  Start();
  RawClient stays(server_->Port());
  ASSERT_EQ(Upgrade(stays).status, 101);
  for (int i = 0; i < 3; ++i) {
    RawClient refused(server_->Port());
    EXPECT_EQ(refused.ReadResponse().status, 503);
    EXPECT_TRUE(refused.Ended());
  }
  EXPECT_THAT(log_->Lines(),
              ElementsAre(HasSubstr("too many connections; those above the limit get 503")));
}

TEST_F(ServerTest, MayEndWhileItsThreadsWipeTheirStacks) {
  Start();
  server_->WipeStacks();
  EXPECT_EQ(Ask(Request("GET /a")).status, 200);
  server_->WipeStacks();
  server_->WipeStacks();
  server_.reset();
}

TEST_F(ServerTest, ItListensOnAllAddressesOrNone) {
  Start();
  Options second = options_;
  second.listeners.push_back({.port = server_->Port()});
  EXPECT_EQ(Server::Start(second, &api_, metrics_.get(), Logger()).status().code(),
            absl::StatusCode::kUnavailable);
}

TEST_F(ServerTest, PortThatIsTakenIsUnavailableAndNamed) {
  Start();
  Options second = options_;
  second.listeners[0].port = server_->Port();
  const auto other = Server::Start(second, &api_, metrics_.get(), Logger());
  EXPECT_EQ(other.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(
      std::string(other.status().message()),
      StartsWith("cannot listen on 127.0.0.1:" + std::to_string(second.listeners[0].port) + ": "));
}

}  // namespace
}  // namespace belfry::http
