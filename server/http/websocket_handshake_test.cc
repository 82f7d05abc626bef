#include "server/http/websocket_handshake.h"

#include <string>
#include <string_view>
#include <utility>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace belfry::http {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Pair;

constexpr char kKey[] = "LC5679AlPpe3L12Ho2XP2Q==";

api::HttpRequest Upgrade() {
  return {.method = "GET",
          .headers = {{"Host", "127.0.0.1:8200"},
                      {"Connection", "keep-alive, Upgrade"},
                      {"Upgrade", "websocket"},
                      {"Sec-WebSocket-Version", "13"},
                      {"Sec-WebSocket-Key", kKey}}};
}

void SetHeader(api::HttpRequest& request, std::string_view name, std::string value) {
  for (auto& [key, old] : request.headers) {
    if (key == name) old = value;
  }
}

void RemoveHeader(api::HttpRequest& request, std::string_view name) {
  std::erase_if(request.headers, [name](const auto& header) { return header.first == name; });
}

// The refusal, or one with status 101 when there is none.
api::HttpResponse Answer(const api::HttpRequest& request) {
  return RefuseHandshake(request).value_or(api::HttpResponse{.status = 101});
}

TEST(WebSocketHandshake, WhatIsNoUpgradeIs426AndSaysHow) {
  api::HttpRequest plain = Upgrade();
  plain.headers.resize(1);
  api::HttpRequest other = Upgrade();
  SetHeader(other, "Upgrade", "h2c");
  api::HttpRequest old = Upgrade();
  old.version = 10;
  const std::pair<api::HttpRequest, std::string> cases[] = {
      {plain, "WebSocket protocol violation: Connection header \"\" does not contain Upgrade\n"},
      {other, "WebSocket protocol violation: Upgrade header \"h2c\" does not contain websocket\n"},
      {old,
       "WebSocket protocol violation: handshake request must be at least HTTP/1.1: "
       "\"HTTP/1.0\"\n"}};
  for (const auto& [request, text] : cases) {
    const api::HttpResponse answer = Answer(request);
    EXPECT_EQ(answer.status, 426);
    EXPECT_EQ(answer.body, text);
    EXPECT_THAT(answer.headers, Contains(Pair("Connection", "Upgrade")));
    EXPECT_THAT(answer.headers, Contains(Pair("Upgrade", "websocket")));
  }
}

TEST(WebSocketHandshake, UpgradeByAnotherMethodIs405) {
  for (const char* method : {"POST", "PUT", "DELETE", "PATCH"}) {
    api::HttpRequest request = Upgrade();
    request.method = method;
    const api::HttpResponse answer = Answer(request);
    EXPECT_EQ(answer.status, 405) << method;
    EXPECT_THAT(answer.body,
                HasSubstr("handshake request method is not GET but \"" + request.method + "\""));
  }
}

TEST(WebSocketHandshake, OtherVersionIs400AndNames13) {
  api::HttpRequest request = Upgrade();
  SetHeader(request, "Sec-WebSocket-Version", "8");
  const api::HttpResponse answer = Answer(request);
  EXPECT_EQ(answer.status, 400);
  EXPECT_THAT(answer.headers, Contains(Pair("Sec-WebSocket-Version", "13")));
}

TEST(WebSocketHandshake, KeyMustBeOneAndHave16Bytes) {
  api::HttpRequest request = Upgrade();
  RemoveHeader(request, "Sec-WebSocket-Key");
  EXPECT_EQ(Answer(request).body, "WebSocket protocol violation: missing Sec-WebSocket-Key\n");
  for (const char* key : {"", "AAAA", "LC5679AlPpe3L12Ho2XP2Q=", "LC5679AlPpe3L12Ho2XP2Qxx",
                          "!C5679AlPpe3L12Ho2XP2Q=="}) {
    request = Upgrade();
    SetHeader(request, "Sec-WebSocket-Key", key);
    EXPECT_EQ(Answer(request).status, 400) << key;
  }
  request = Upgrade();
  request.headers.emplace_back("Sec-WebSocket-Key", kKey);
  EXPECT_EQ(Answer(request).status, 400);
}

TEST(WebSocketHandshake, ForeignOriginIs403) {
  for (const char* origin :
       {"http://evil.example", "http://127.0.0.1:8201", "null", "127.0.0.1:8200"}) {
    api::HttpRequest request = Upgrade();
    request.headers.emplace_back("Origin", origin);
    const api::HttpResponse answer = Answer(request);
    EXPECT_EQ(answer.status, 403) << origin;
    EXPECT_EQ(answer.body, "request Origin \"" + std::string(origin) +
                               "\" is not authorized for Host \"127.0.0.1:8200\"\n");
  }
  api::HttpRequest own = Upgrade();
  SetHeader(own, "Host", "Belfry.example:8200");
  own.headers.emplace_back("Origin", "https://belfry.EXAMPLE:8200");
  EXPECT_EQ(Answer(own).status, 101);
  own.headers.emplace_back("origin", "http://evil.example");
  EXPECT_EQ(Answer(own).status, 403);
}

}  // namespace
}  // namespace belfry::http
