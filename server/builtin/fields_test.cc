#include "server/builtin/fields.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "server/builtin/testing.h"

namespace belfry::builtin {
namespace {

using enum FieldKind;
using ::testing::ElementsAre;
using ::testing::Pair;
using ::testing::StartsWith;

std::string Refused(std::string_view field) {
  return "Field validation failed: error converting input for field \"" + std::string(field) +
         "\": ";
}

TEST(FieldsTest, AWrongTypeIsAnErrorThatNamesTheField) {
  ForEachField([](const Endpoint& endpoint, const DeclaredField& field) {
    for (const std::string& value : TakenBy(field.kind).wrong) {
      const std::string body = Body(field.name, value);
      const absl::StatusOr<Fields> read = Fields::Read(endpoint.fields, body);
      ASSERT_EQ(read.status().code(), absl::StatusCode::kInvalidArgument)
          << endpoint.path << " " << body;
      EXPECT_THAT(std::string(read.status().message()), StartsWith(Refused(field.name)))
          << endpoint.path << " " << body;
    }
  });
}

TEST(FieldsTest, ARightTypeIsTaken) {
  ForEachField([](const Endpoint& endpoint, const DeclaredField& field) {
    for (const std::string& value : TakenBy(field.kind).right) {
      const std::string body = Body(field.name, value);
      const absl::StatusOr<Fields> read = Fields::Read(endpoint.fields, body);
      ASSERT_TRUE(read.ok()) << endpoint.path << " " << body << read.status();
      EXPECT_TRUE(value == R"("")" || read->Has(field.name)) << endpoint.path << " " << body;
      EXPECT_THAT(read->unknown(), ElementsAre()) << body;
    }
  });
}

TEST(FieldsTest, NullIsAsGoodAsNothing) {
  ForEachField([](const Endpoint& endpoint, const DeclaredField& field) {
    const std::string body = Body(field.name, "null");
    const absl::StatusOr<Fields> read = Fields::Read(endpoint.fields, body);
    ASSERT_TRUE(read.ok()) << endpoint.path << " " << body << read.status();
    EXPECT_FALSE(read->Has(field.name)) << endpoint.path << " " << body;
  });
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
  EXPECT_TRUE(Fields::Read({}, R"({"anything":[1]})").ok());
}

TEST(FieldsTest, AMistypedMemberOfADeclaredObjectIsNamedAndThoseOfAFreeMapAreNot) {
  const absl::StatusOr<Fields> fields = Fields::Read(
      kSome, R"({"object":{"onn":1,"none":null,"on":true},"map":{"onn":"1"},"object.on":1})");
  ASSERT_TRUE(fields.ok()) << fields.status();
  EXPECT_THAT(fields->unknown(), ElementsAre("object.onn", "object.on"));
}

}  // namespace
}  // namespace belfry::builtin
