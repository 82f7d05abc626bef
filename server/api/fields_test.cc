#include "server/api/fields.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "server/api/fakes.h"

namespace belfry::api {
namespace {

using enum FieldKind;
using mounts::Operation;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;
using ::testing::StartsWith;

struct Taken {
  std::vector<std::string> right;
  std::vector<std::string> wrong;
};

// What nothing but text, or a list or a map of texts, could be made of.
const std::vector<std::string> kNeverScalar = {
    "[]",     R"(["x"])",     "[[]]", R"([["x"]])",    R"([{"name":"x"}])", "[null]",       "[1]",
    "[true]", R"([["x"],1])", "{}",   R"({"x":true})", R"({"x":{"y":1}})",  R"({"x":null})"};

Taken With(std::vector<std::string> right, std::vector<std::string> more_wrong) {
  more_wrong.insert(more_wrong.end(), kNeverScalar.begin(), kNeverScalar.end());
  return {std::move(right), std::move(more_wrong)};
}

Taken TakenBy(FieldKind kind) {
  switch (kind) {
    case kText:
      return With({R"("")", R"("x")", R"("a,b")", "1", "1.5", "true", "false"}, {});
    case kBool:
      return With({"true", "false", "1", "0", R"("true")", R"("1")", R"("F")", R"("")"},
                  {R"("yes")", "2", "1.5"});
    case kNumber:
      return With({"5", "-5", "0", R"("5")", "1.0", R"("0x5")", R"("")"},
                  {R"("x")", "1.5", R"("1.5")", R"("5s")", "1e30"});
    case kDuration:
      return With({"60", R"("60")", R"("1h30m")", "0", R"("")"},
                  {R"("soon")", "true", "-5", R"("-5s")", "1e30"});
    case kSignedDuration:
      return With({"60", R"("1h")", "-5", R"("-5s")", R"("")"}, {R"("soon")", "false"});
    case kLeaseTime:
      return With({"60", R"("1h")", R"("system")", R"("")"}, {R"("soon")", "true", "-5"});
    case kTextList:
      return {{R"("")", R"("a")", R"("a,b")", "[]", R"(["a"])", R"(["a","b"])"},
              {"1", "1.5", "true", "false", "{}", R"({"a":true})", R"([["a"]])", "[[]]", "[1]",
               "[true]", "[null]", R"(["a",null])", R"([{"name":"a"}])", R"(["a",["b"]])",
               R"([""])", R"(["a"," "])", R"(",")", R"(" ")"}};
    case kTextMap:
      return {{"{}", R"({"a":"b"})", R"({"a":1})", R"({"a":true})", R"({"a":null})"},
              {"1", "1.5", "true", "false", R"("")", R"("a=b")", "[]", R"(["a=b"])", "[null]",
               R"([{"a":"b"}])", R"({"a":["b"]})", R"({"a":{}})", R"({"a":{"b":"c"}})"}};
    case kObject:
      return {{"{}", R"({"x":1})"},
              {"1", "1.5", "true", "false", R"("")", R"("{}")", "[]", "[null]", "[{}]"}};
  }
  return {};
}

// The endpoint's path with a name where it takes any.
std::string PathOf(const DeclaredEndpoint& endpoint) {
  std::string path(endpoint.path);
  if (const std::size_t star = path.find('*'); star != std::string::npos) {
    path.replace(star, 1, star > 0 && path[star - 1] == '/' ? "x" : "/x");
  }
  return path;
}

// {"field":value}, or {"object":{"member":value}}.
std::string Body(std::string_view field, const std::string& value) {
  const std::size_t dot = field.find('.');
  if (dot == std::string_view::npos) return "{\"" + std::string(field) + "\":" + value + "}";
  return "{\"" + std::string(field.substr(0, dot)) + "\":" + Body(field.substr(dot + 1), value) +
         "}";
}

std::string Refused(std::string_view field) {
  return "Field validation failed: error converting input for field \"" + std::string(field) +
         "\": ";
}

void ForEachField(const std::function<void(const DeclaredEndpoint&, const DeclaredField&)>& claim) {
  for (const DeclaredEndpoint& endpoint : DeclaredEndpoints()) {
    ASSERT_FALSE(endpoint.fields.empty()) << endpoint.path;
    for (const DeclaredField& field : endpoint.fields) claim(endpoint, field);
  }
}

TEST(FieldsTest, AWrongTypeIsAnErrorThatNamesTheField) {
  ForEachField([](const DeclaredEndpoint& endpoint, const DeclaredField& field) {
    for (const std::string& value : TakenBy(field.kind).wrong) {
      const std::string body = Body(field.name, value);
      const absl::StatusOr<Fields> read = ReadFields(PathOf(endpoint), endpoint.operation, body);
      ASSERT_EQ(read.status().code(), absl::StatusCode::kInvalidArgument)
          << endpoint.path << " " << body;
      EXPECT_THAT(std::string(read.status().message()), StartsWith(Refused(field.name)))
          << endpoint.path << " " << body;
    }
  });
}

TEST(FieldsTest, ARightTypeIsTaken) {
  ForEachField([](const DeclaredEndpoint& endpoint, const DeclaredField& field) {
    for (const std::string& value : TakenBy(field.kind).right) {
      const std::string body = Body(field.name, value);
      const absl::StatusOr<Fields> read = ReadFields(PathOf(endpoint), endpoint.operation, body);
      ASSERT_TRUE(read.ok()) << endpoint.path << " " << body << read.status();
      EXPECT_TRUE(value == R"("")" || read->Has(field.name)) << endpoint.path << " " << body;
      EXPECT_THAT(read->unknown(), ElementsAre()) << body;
    }
  });
}

TEST(FieldsTest, NullIsAsGoodAsNothing) {
  ForEachField([](const DeclaredEndpoint& endpoint, const DeclaredField& field) {
    const std::string body = Body(field.name, "null");
    const absl::StatusOr<Fields> read = ReadFields(PathOf(endpoint), endpoint.operation, body);
    ASSERT_TRUE(read.ok()) << endpoint.path << " " << body << read.status();
    EXPECT_FALSE(read->Has(field.name)) << endpoint.path << " " << body;
  });
}

// Whatever a handler does with the field, it is not asked: nothing has happened.
TEST(FieldsTest, EveryEndpointThatWritesRefusesAWrongType) {
  ApiFixture fixture;
  ForEachField([&fixture](const DeclaredEndpoint& endpoint, const DeclaredField& field) {
    if (endpoint.operation != Operation::kUpdate) return;
    for (const std::string& value : TakenBy(field.kind).wrong) {
      const std::string body = Body(field.name, value);
      const HttpResponse answer = fixture.Send(AsRoot("POST", "/v1/" + PathOf(endpoint), body));
      EXPECT_EQ(answer.status, 400) << endpoint.path << " " << body << answer.body;
      EXPECT_THAT(answer.body, HasSubstr("Field validation failed: error converting input for "
                                         "field \\\"" +
                                         std::string(field.name) + "\\\": "))
          << endpoint.path << " " << body;
    }
  });
  EXPECT_THAT(fixture.leases.asked, ElementsAre());
}

constexpr DeclaredField kSome[] = {
    {"text", kText},       {"list", kTextList}, {"map", kTextMap},
    {"on", kBool},         {"number", kNumber}, {"ttl", kDuration},
    {"lease", kLeaseTime}, {"object", kObject}, {"object.on", kBool}};

TEST(FieldsTest, ValuesAreReadAsGenerouslyAsVaultReadsThem) {
  const absl::StatusOr<Fields> fields =
      Fields::Read(kSome, R"({"text":5,"list":" a, b ,","map":{"n":2,"none":null},"on":"true",)"
                          R"("number":"7","ttl":"1h30m","lease":"system","object":{"on":1}})");
  ASSERT_TRUE(fields.ok()) << fields.status();
  EXPECT_EQ(fields->Text("text"), "5");
  EXPECT_THAT(fields->List("list"), ElementsAre("a", "b"));
  EXPECT_THAT(fields->Map("map"), ElementsAre(Pair("n", "2"), Pair("none", "")));
  EXPECT_TRUE(fields->Bool("on"));
  EXPECT_EQ(fields->Number("number"), 7);
  EXPECT_EQ(fields->Duration("ttl"), absl::Minutes(90));
  EXPECT_TRUE(fields->Has("lease"));
  EXPECT_EQ(fields->Duration("lease"), absl::ZeroDuration());
  EXPECT_TRUE(fields->Bool("object.on"));
}

TEST(FieldsTest, WhatIsNotDeclaredIsNamedAndOtherwiseIgnored) {
  const absl::StatusOr<Fields> fields =
      Fields::Read(kSome, R"({"b":[1],"a":{},"none":null,"empty":"","text":"x"})");
  ASSERT_TRUE(fields.ok()) << fields.status();
  EXPECT_THAT(fields->unknown(), ElementsAre("a", "b"));
  EXPECT_TRUE(ReadFields("sys/mounts", Operation::kRead, R"({"anything":[1]})").ok());
}

}  // namespace
}  // namespace belfry::api
