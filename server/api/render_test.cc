#include "server/api/render.h"

#include <string_view>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace belfry::api {
namespace {

using builtin::Answer;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Pair;

TEST(Render, DataStandsInAnEnvelope) {
  const HttpResponse response = Render(builtin::EnvelopeAnswer(
      {.request_id = "id", .data = R"({"a":1})", .warnings = {"w"}, .mount_type = "kv"}));
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.body,
            R"({"request_id":"id","lease_id":"","renewable":false,"lease_duration":0,)"
            R"("data":{"a":1},"wrap_info":null,"warnings":["w"],"auth":null,"mount_type":"kv"})"
            "\n");
}

TEST(Render, InjectedDataStandsInFrontOfTheEnvelopeToo) {
  const HttpResponse response = Render(builtin::InjectedAnswer({.data = R"({"a":1})"}));
  EXPECT_TRUE(response.body.starts_with(R"({"a":1,"request_id":)")) << response.body;
  EXPECT_NE(response.body.find(R"("data":{"a":1})"), std::string::npos);
}

TEST(Render, ErrorsAreAListAndHaveTheirData) {
  EXPECT_EQ(Render(builtin::ErrorAnswer(400, "a \"b\"")).body, "{\"errors\":[\"a \\\"b\\\"\"]}\n");
  EXPECT_EQ(Render(builtin::EmptyErrorAnswer(404)).body, "{\"errors\":[]}\n");
  Answer with_data = builtin::ErrorAnswer(400, "a");
  with_data.data = "{}";
  EXPECT_EQ(Render(with_data).body, "{\"errors\":[\"a\"],\"data\":{}}\n");
}

TEST(Render, ABareStatusHasNoBody) {
  const HttpResponse response = Render(builtin::NoContent());
  EXPECT_EQ(response.status, 204);
  EXPECT_EQ(response.body, "");
}

TEST(Render, EveryAnswerHasTheSameHeaders) {
  for (const Answer& answer : {builtin::NoContent(), builtin::Denied(), builtin::EnvelopeAnswer({}),
                               builtin::TextAnswer(200, "application/json", "x")}) {
    EXPECT_THAT(
        Render(answer).headers,
        ElementsAre(Pair("Cache-Control", "no-store"), Pair("Content-Type", "application/json"),
                    Pair("Strict-Transport-Security", "max-age=31536000; includeSubDomains")));
  }
}

TEST(Render, AHeaderOfTheAnswerReplacesOneThatEveryAnswerHas) {
  Answer answer = builtin::BusyAnswer("later");
  answer.headers.emplace_back("Cache-Control", "max-age=1");
  const HttpResponse response = Render(answer);
  EXPECT_THAT(response.headers, Contains(Pair("Retry-After", "1")));
  EXPECT_THAT(response.headers, Contains(Pair("Cache-Control", "max-age=1")));
  EXPECT_EQ(response.headers.size(), 4u);
}

}  // namespace
}  // namespace belfry::api
