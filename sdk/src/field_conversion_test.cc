#include "sdk/src/field_conversion.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "belfry/request.h"

namespace belfry::internal {
namespace {

template <typename T>
T Converted(const char* json) {
  const absl::StatusOr<std::any> value = ConvertField(*Json::Parse(json), FieldTypeOf(typeid(T)));
  EXPECT_TRUE(value.ok()) << json << ": " << value.status();
  return value.ok() ? std::any_cast<T>(*value) : T();
}

template <typename T>
std::string Refusal(const char* json) {
  const absl::Status status = ConvertField(*Json::Parse(json), FieldTypeOf(typeid(T))).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << json;
  return std::string(status.message().data(), status.message().size());
}

TEST(ConvertField, IntegersComeFromNumbersTextsAndBooleans) {
  for (const char* seven : {"7", "\"7\"", "7.0", "\"+7\""})
    EXPECT_EQ(Converted<std::int64_t>(seven), 7) << seven;
  EXPECT_EQ(Converted<std::int64_t>("true"), 1);
  EXPECT_EQ(Converted<std::int64_t>("\"\""), 0);
  EXPECT_EQ(Converted<std::int64_t>("9223372036854775807"), INT64_MAX);
}

TEST(ConvertField, IntegersInTextHaveGosLiterals) {
  for (const char* eight : {"0x8", "0X8", "0o10", "010", "0b1000", "0_10", "0x_8"})
    EXPECT_EQ(Converted<std::int64_t>(absl::StrCat("\"", eight, "\"").c_str()), 8) << eight;
  EXPECT_EQ(Converted<std::int64_t>("\"-0x8\""), -8);
  EXPECT_EQ(Converted<std::int64_t>("\"1_000\""), 1000);
  EXPECT_EQ(Converted<std::int64_t>("\"0\""), 0);
  for (const char* none :
       {"0x", "08", "0b2", "_1", "1_", "1__0", "+-1", "--1", " 1", "1 ", "1e3", "-"})
    Refusal<std::int64_t>(absl::StrCat("\"", none, "\"").c_str());
}

TEST(ConvertField, NullIsNothingOfItsType) {
  EXPECT_EQ(Converted<std::int64_t>("null"), 0);
  EXPECT_EQ(Converted<std::string>("null"), "");
  EXPECT_FALSE(Converted<bool>("null"));
  EXPECT_THAT(Converted<std::vector<std::int64_t>>("[null,1]"), ::testing::ElementsAre(0, 1));
}

TEST(ConvertField, ABadIntegerIsRefusedByWhatItIs) {
  EXPECT_EQ(Refusal<std::int64_t>("\"abc\""), "expected an integer, got a string that is not one");
  EXPECT_EQ(Refusal<std::int64_t>("99999999999999999999"),
            "expected an integer, got a number that is not one");
  Refusal<std::int64_t>("1.5");
  EXPECT_EQ(Refusal<std::int64_t>("[\"secret\"]"), "expected an integer, got an array");
}

constexpr FieldType kAllTypes[] = {
    FieldType::kString,    FieldType::kInt64,  FieldType::kDouble,     FieldType::kBool,
    FieldType::kDuration,  FieldType::kTime,   FieldType::kStringList, FieldType::kInt64List,
    FieldType::kStringMap, FieldType::kObject, FieldType::kJson};

// A value with `secret` somewhere in it, of any kind and depth.
Json Hidden(const std::string& secret, std::mt19937& random) {
  switch (random() % 6) {
    case 0:
      return Json::Array{Hidden(secret, random)};
    case 1:
      return Json::Array{1, "a", Hidden(secret, random)};
    case 2:
      return Json::Object{{"a", Hidden(secret, random)}};
    case 3:
      return Json::Object{{secret, Json::Array{}}};
    case 4:
      return Json::Number{"1" + std::to_string(random() % 1000) + "." + secret.substr(6)};
    default:
      return secret;
  }
}

// What was given may be a secret, and errors are logged and shown: not five digits of it come
// back.
TEST(ConvertField, AnErrorRepeatsNothingOfTheValue) {
  std::mt19937 random(1);
  int refused = 0;
  for (int i = 0; i < 1000; ++i) {
    const std::string digits = std::to_string(100'000'000 + random() % 900'000'000);
    const std::string secret = "S3CRET" + digits;
    const Json value = Hidden(secret, random);
    for (const FieldType type : kAllTypes) {
      const absl::Status status = ConvertField(value, type).status();
      if (status.ok()) continue;
      ++refused;
      const std::string text(status.message().data(), status.message().size());
      for (const std::string& piece : {std::string("S3C"), digits.substr(0, 5), digits.substr(4)})
        EXPECT_EQ(text.find(piece), std::string::npos) << value.Dump() << ": " << text;
      // Nor do the names of another language's library.
      EXPECT_EQ(text.find("strconv"), std::string::npos);
    }
  }
  EXPECT_GT(refused, 2'000);
}

TEST(ConvertField, TextsComeFromNumbersAsTheyWereWritten) {
  EXPECT_EQ(Converted<std::string>("1.50"), "1.50");
  EXPECT_EQ(Converted<std::string>("true"), "1");
  Refusal<std::string>("{}");
}

TEST(ConvertField, BooleansHaveGosSpellings) {
  for (const char* yes : {"true", "1", "\"t\"", "\"TRUE\""})
    EXPECT_TRUE(Converted<bool>(yes)) << yes;
  for (const char* no : {"false", "0", "\"F\"", "\"\""}) EXPECT_FALSE(Converted<bool>(no)) << no;
  Refusal<bool>("\"yes\"");
}

TEST(ConvertField, DurationsAreSecondsOrHaveUnits) {
  EXPECT_EQ(Converted<absl::Duration>("90"), absl::Seconds(90));
  EXPECT_EQ(Converted<absl::Duration>("\"90\""), absl::Seconds(90));
  EXPECT_EQ(Converted<absl::Duration>("\"1h30m\""), absl::Minutes(90));
  EXPECT_EQ(Converted<absl::Duration>("\"2d\""), absl::Hours(48));
  EXPECT_EQ(Converted<absl::Duration>("\"-1.5h\""), -absl::Minutes(90));
  EXPECT_EQ(Converted<absl::Duration>("\"\""), absl::ZeroDuration());
  EXPECT_EQ(Refusal<absl::Duration>("\"soon\""),
            "expected a duration, in seconds or such as \"1h30m\", got a string that is not one");
  for (const char* none : {"\"inf\"", "\" 5\"", "\"1e3\"", "\"1.5\"", "\"1.5d\"", "\"d\"",
                           "\"+-5\"", "1e400", "1.5", "99999999999", "\"9999999h\"", "true", "[]"})
    Refusal<absl::Duration>(none);
}

TEST(ConvertField, ListsComeFromArraysCommasAndSingles) {
  EXPECT_THAT(Converted<std::vector<std::int64_t>>("[1,\"2\"]"), ::testing::ElementsAre(1, 2));
  EXPECT_THAT(Converted<std::vector<std::int64_t>>("\"1,2,\""), ::testing::ElementsAre(1, 2, 0));
  EXPECT_THAT(Converted<std::vector<std::int64_t>>("{}"), ::testing::IsEmpty());
  EXPECT_THAT(Converted<std::vector<std::int64_t>>("\"\""), ::testing::IsEmpty());
  EXPECT_THAT(Converted<std::vector<std::int64_t>>("3"), ::testing::ElementsAre(3));
  EXPECT_THAT(Converted<std::vector<std::string>>("\"a,b\""), ::testing::ElementsAre("a", "b"));
  for (const char* none : {"[\"x\"]", "\"1, 2\"", "{\"a\":1}", "[[1]]"})
    Refusal<std::vector<std::int64_t>>(none);
}

TEST(ConvertField, MapsHoldTexts) {
  EXPECT_THAT((Converted<std::map<std::string, std::string>>("{\"a\":1,\"b\":\"x\"}")),
              ::testing::ElementsAre(::testing::Pair("a", "1"), ::testing::Pair("b", "x")));
  Refusal<std::map<std::string, std::string>>("[]");
}

TEST(ConvertField, AnObjectMayComeInPieces) {
  const auto object = [](const char* json) { return Json(Converted<Json::Object>(json)).Dump(); };
  EXPECT_EQ(object("{\"a\":1.50,\"b\":null}"), "{\"a\":1.50,\"b\":null}");
  EXPECT_EQ(object("[{\"a\":1,\"b\":1},null,[{\"b\":2}]]"), "{\"a\":1,\"b\":2}");
  EXPECT_EQ(object("[]"), "{}");
  for (const char* none : {"\"{}\"", "5", "[1]"}) Refusal<Json::Object>(none);
}

TEST(ConvertField, TimesAreRfc3339OrSeconds) {
  EXPECT_EQ(Converted<absl::Time>("\"1970-01-01T00:01:00Z\""), absl::FromUnixSeconds(60));
  EXPECT_EQ(Converted<absl::Time>("60"), absl::FromUnixSeconds(60));
  Refusal<absl::Time>("\"noon\"");
}

TEST(FieldToJson, WritesWhatConvertsBack) {
  const auto expect_back = [](FieldType type, std::any value, const char* text) {
    const Json json = FieldToJson(value, type);
    EXPECT_EQ(json.Dump(), text);
    const absl::StatusOr<std::any> back = ConvertField(json, type);
    ASSERT_TRUE(back.ok()) << text << back.status();
    EXPECT_EQ(FieldToJson(*back, type).Dump(), text);
  };
  expect_back(FieldType::kString, std::string("a"), "\"a\"");
  expect_back(FieldType::kInt64, std::int64_t{7}, "7");
  expect_back(FieldType::kDouble, 1.5, "1.5");
  expect_back(FieldType::kBool, true, "true");
  expect_back(FieldType::kDuration, absl::Minutes(90), "\"1h30m\"");
  expect_back(FieldType::kTime, absl::FromUnixSeconds(60), "\"1970-01-01T00:01:00+00:00\"");
  expect_back(FieldType::kStringList, std::vector<std::string>{"a", "b"}, "[\"a\",\"b\"]");
  expect_back(FieldType::kInt64List, std::vector<std::int64_t>{1, 2}, "[1,2]");
  expect_back(FieldType::kStringMap, std::map<std::string, std::string>{{"a", "b"}},
              "{\"a\":\"b\"}");
  expect_back(FieldType::kObject, Json::Object{{"a", nullptr}}, "{\"a\":null}");
  expect_back(FieldType::kJson, Json(Json::Array{nullptr}), "[null]");
}

TEST(ConvertTo, ConvertsWhatStandsInsideAField) {
  EXPECT_EQ(*ConvertTo<std::int64_t>("0x10"), 16);
  EXPECT_EQ(ConvertTo<std::int64_t>("x").status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(ConvertField, JsonIsTakenAsItIs) {
  EXPECT_EQ(Converted<Json>("{\"a\":[1.50]}").Dump(), "{\"a\":[1.50]}");
}

}  // namespace
}  // namespace belfry::internal
