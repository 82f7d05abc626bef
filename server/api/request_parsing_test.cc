// What a body becomes on its way to an engine.
#include "server/api/request_parsing.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/api/fakes.h"

namespace belfry::api {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class RequestParsingTest : public ::testing::Test {
 protected:
  HttpResponse Send(HttpRequest request) { return fixture_.Send(std::move(request)); }

  ApiFixture fixture_;
  FakeEngine& engine_ = *fixture_.engine;
};

TEST_F(RequestParsingTest, EmptyBodyIsNoData) {
  Send(AsRoot("PUT", "/v1/secret/a"));
  EXPECT_EQ(engine_.handled.at(0).data, "null");
}

TEST_F(RequestParsingTest, FormIsDataUnlessItLooksLikeJson) {
  HttpRequest request = AsRoot("POST", "/v1/secret/a", "x=a+b&y=%7B");
  request.headers.emplace_back("Content-Type", "application/x-www-form-urlencoded");
  Send(request);
  request.body = "{\"z\":1}";
  Send(request);
  ASSERT_THAT(engine_.handled, SizeIs(2));
  EXPECT_EQ(engine_.handled[0].data, "{\"x\":\"a b\",\"y\":\"{\"}");
  EXPECT_EQ(engine_.handled[1].data, "{\"z\":1}");
}

// What curl sends as a form without having been told that it is one.
TEST_F(RequestParsingTest, WhatIsNeitherJsonNorAFormIs400) {
  for (const char* body : {"foo", "\"x\"", "x=1&foo", "\xef\xbb\xbf{\"a\":1}"}) {
    HttpRequest request = AsRoot("POST", "/v1/secret/a", body);
    request.headers.emplace_back("Content-Type", "application/x-www-form-urlencoded");
    const HttpResponse answer = Send(request);
    EXPECT_EQ(answer.status, 400) << body;
    EXPECT_THAT(answer.body, HasSubstr("neither a JSON object nor a form")) << body;
  }
  EXPECT_THAT(engine_.handled, IsEmpty());
}

TEST_F(RequestParsingTest, MalformedJsonIs400AndSaysWhere) {
  for (const char* body :
       {"bogus", "{\"a\":", "{\"a\":1}x", "[1]", "\"text\"", "{\"a\":\xff}", "{a:1}"}) {
    const HttpResponse answer = Send(AsRoot("PUT", "/v1/secret/a", body));
    EXPECT_EQ(answer.status, 400) << body;
    EXPECT_THAT(answer.body, HasSubstr("error parsing JSON: ")) << body;
  }
  EXPECT_THAT(engine_.handled, IsEmpty());
}

TEST_F(RequestParsingTest, JsonNestedTooDeeplyIs400) {
  const std::string deep = "{\"a\":" + std::string(299, '[') + std::string(299, ']') + "}";
  const std::string deeper = "{\"a\":" + std::string(301, '[') + std::string(301, ']') + "}";
  EXPECT_EQ(Send(AsRoot("PUT", "/v1/secret/a", deep)).status, 204);
  EXPECT_EQ(Send(AsRoot("PUT", "/v1/secret/a", deeper)).status, 400);
}

}  // namespace
}  // namespace belfry::api
