#include "server/subscriptions/query.h"

#include <boost/json/parse.hpp>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace belfry::subscriptions {
namespace {

using ::testing::ElementsAre;

Query NamespacesOf(const std::vector<std::string>& patterns) {
  Query query;
  for (const std::string& pattern : patterns) query.emplace_back("namespaces", pattern);
  return query;
}

// The examples of vault-api-and-events 3.4 for a request to the root namespace.
TEST(Query, NamespacePatternsAreThoseOfVault) {
  const std::pair<std::vector<std::string>, std::vector<std::string>> cases[] = {
      {{}, {""}},
      {{"ns*"}, {"", "ns*"}},
      {{""}, {""}},
      {{" "}, {""}},
      {{"*"}, {"", "*"}},
      {{"ns1/*", "ns2/"}, {"", "ns1/*", "ns2"}},
      {{"ns1,ns2"}, {"", "ns1,ns2"}},
      {{"a/../b"}, {"", "b"}}};
  for (const auto& [given, meant] : cases) {
    EXPECT_EQ(NamespacePatterns(NamespacesOf(given)), meant);
  }
}

TEST(Query, TheFirstOfARepeatedParameterCounts) {
  const auto selection = ParseSelection(
      "kv*", {{"json", "1"}, {"json", "0"}, {"filter", "operation == x"}, {"filter", "("}},
      Limits());
  ASSERT_TRUE(selection.ok()) << selection.status();
  EXPECT_EQ(selection->type_pattern, "kv*");
  EXPECT_THAT(selection->namespace_patterns, ElementsAre(""));
  EXPECT_EQ(selection->format, bus::Format::kCloudEventsJson);
  EXPECT_EQ(selection->filter->text(), "operation == x");
}

TEST(Query, WhatIsMissingOrCannotBeReadIsAnError) {
  const std::pair<Query, std::string_view> cases[] = {
      {{{"json", "maybe"}}, "invalid parameter for JSON: maybe"},
      {{{"filter", "("}}, "invalid filter"}};
  for (const auto& [query, text] : cases) {
    const absl::Status status = ParseSelection("kv*", query, Limits()).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(status.message()), ::testing::StartsWith(std::string(text)));
  }
  EXPECT_EQ(ParseSelection("", {}, Limits()).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(Query, AMistakeInAFilterComesWithWhatToWrite) {
  const absl::Status status =
      ParseSelection("kv*", {{"filter", "operation == data-write"}}, Limits()).status();
  EXPECT_THAT(std::string(status.message()),
              ::testing::AllOf(::testing::StartsWith("invalid filter: 1:18 (17): no match found"),
                               ::testing::EndsWith("; hint: a value with other characters than "
                                                   "letters, digits, _ and / needs quotes: "
                                                   "`data-write`")));
}

TEST(Query, ParametersThatNobodyReadsAreBounded) {
  const Limits limits;
  const std::size_t most =
      limits.max_filter_bytes + limits.max_namespace_patterns * limits.max_namespace_pattern_bytes;
  EXPECT_TRUE(ParseSelection("a", {{"x", std::string(most - 1, 'x')}}, limits).ok());
  EXPECT_FALSE(ParseSelection("a", {{"x", std::string(most, 'x')}}, limits).ok());
}

TEST(Query, PoliciesSeeTheParametersAsTheyAreActedOn) {
  const std::pair<Query, std::string_view> cases[] = {
      {{}, "{}"},
      {{{"json", "T"}, {"json", "false"}}, R"({"json": "true"})"},
      {{{"json", "maybe"}}, R"({"json": "maybe"})"},
      {{{"json", ""}, {"filter", " "}, {"namespaces", "/"}}, "{}"},
      {{{"filter", " a == b "}}, R"({"filter": "a == b"})"},
      {{{"namespaces", "/a//b/"}, {"namespaces", "c"}}, R"({"namespaces": ["a/b", "c"]})"},
      {{{"JSON", "true"}, {"other", "1"}, {"other", "2"}}, R"({"other": ["1", "2"]})"}};
  for (const auto& [query, parameters] : cases) {
    EXPECT_EQ(boost::json::value(ParametersOf(query)),
              boost::json::parse({parameters.data(), parameters.size()}))
        << parameters;
  }
}

}  // namespace
}  // namespace belfry::subscriptions
