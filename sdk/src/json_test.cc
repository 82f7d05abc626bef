#include "belfry/json.h"

#include <gtest/gtest.h>

namespace belfry {
namespace {

std::string RoundTrip(std::string_view text) {
  const absl::StatusOr<Json> value = Json::Parse(text);
  return value.ok() ? value->Dump()
                    : std::string(value.status().message().data(), value.status().message().size());
}

TEST(Json, NumbersKeepTheirText) {
  for (const char* text : {"0", "-0", "1.50", "12345678901234567890",
                           "123456789012345678901234567890", "1e3", "1E+400", "-1.0e-7"}) {
    EXPECT_EQ(RoundTrip(text), text);
  }
}

TEST(Json, MembersAreInOrderOfNameAndTheLastOfTwoWins) {
  EXPECT_EQ(RoundTrip(R"({"b":1,"a":{"d":[],"c":{}},"b":2})"), R"({"a":{"c":{},"d":[]},"b":2})");
}

TEST(Json, TextComesBackEscapedOnlyWhereItMustBe) {
  EXPECT_EQ(RoundTrip(R"("\u00e4\/<\u0001\n\ud83d\ude00\"")"), "\"ä/<\\u0001\\n😀\\\"\"");
}

TEST(Json, IsAsDeepAsTheLimitAndNoDeeper) {
  const auto nested = [](int depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  EXPECT_EQ(RoundTrip(nested(512)), nested(512));
  EXPECT_EQ(Json::Parse(nested(513)).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(Json, MistakesAreNamedWithTheirPlace) {
  for (const char* text : {"", "{", "{bad", "[1,]", "1 2", "{\"a\":1}x", "\"\xff\"", "nul", "01"}) {
    const absl::Status status = Json::Parse(text).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_NE(status.ToString().find("malformed JSON at byte "), std::string::npos) << text;
  }
}

TEST(Json, ValuesAreMadeFromWhatTheyHold) {
  EXPECT_EQ(Json(true).Dump(), "true");
  EXPECT_EQ(Json(7).Dump(), "7");
  EXPECT_EQ(Json(1.5).Dump(), "1.5");
  EXPECT_EQ(Json("x").Dump(), "\"x\"");
  EXPECT_EQ(Json(nullptr).Dump(), "null");
  EXPECT_EQ(Json(Json::Object{{"a", Json::Array{1, "b"}}}).Dump(), R"({"a":[1,"b"]})");
}

TEST(Json, BytesThatAreNotTextBecomeReplacementCharacters) {
  EXPECT_EQ(Json("a\xff\xc3").Dump(), "\"a\uFFFD\uFFFD\"");
  EXPECT_EQ(Json("\u00e9\u20ac\U0001F600").Dump(), "\"\u00e9\u20ac\U0001F600\"");
  EXPECT_TRUE(Json::Parse(Json("\xed\xa0\x80").Dump()).ok());
}

TEST(Json, FindAnswersNullForWhatIsNotThere) {
  const Json value(Json::Object{{"a", 1}});
  EXPECT_EQ(value.Find("a")->Dump(), "1");
  EXPECT_EQ(value.Find("b"), nullptr);
  EXPECT_EQ(Json(1).Find("a"), nullptr);
}

}  // namespace
}  // namespace belfry
