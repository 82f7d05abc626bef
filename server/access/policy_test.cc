#include "server/access/policy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json/serialize.hpp>

#include "base/text.h"

namespace belfry::access {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Policy Parsed(std::string_view text) {
  absl::StatusOr<Policy> policy = ParsePolicy("p", text);
  EXPECT_TRUE(policy.ok()) << policy.status();
  return policy.ok() ? *std::move(policy) : Policy{};
}

std::string ErrorOf(std::string_view text) {
  const absl::StatusOr<Policy> policy = ParsePolicy("p", text);
  if (policy.ok()) return "accepted";
  EXPECT_EQ(policy.status().code(), absl::StatusCode::kInvalidArgument);
  std::string_view message = ToStd(policy.status().message());
  constexpr std::string_view kPrefix = "failed to parse policy: ";
  EXPECT_TRUE(message.starts_with(kPrefix)) << message;
  return std::string(message.substr(kPrefix.size()));
}

std::string Listed(const ParameterRules& rules) {
  std::string text;
  for (const auto& [name, values] : rules) {
    text += Concat({text.empty() ? "" : " ", name, "=["});
    for (const boost::json::value& value : values)
      text += Concat({boost::json::serialize(value), ";"});
    text += ']';
  }
  return text;
}

TEST(Policy, KeepsItsNameAndItsText) {
  const Policy policy = Parsed("name = \"other\"\npath \"a\" {}");
  EXPECT_EQ(policy.name, "p");
  EXPECT_EQ(policy.text, "name = \"other\"\npath \"a\" {}");
  ASSERT_EQ(policy.rules.size(), 1u);
  EXPECT_EQ(hcl::ToText(policy.rules[0].position), "2:6");
}

TEST(Policy, ReadsEveryAttribute) {
  const Policy policy = Parsed(R"(
    path "secret/data/*" {
      comment               = "what for"
      policy                = "read"
      capabilities          = ["create", "subscribe", "patch", "sudo", "recover"]
      allowed_parameters    = { "Name" = ["a*", 5, true, 1.5], "*" = [] }
      denied_parameters     = { "zip" = [["x", "y"]] }
      required_parameters   = ["name", 7]
      min_wrapping_ttl      = "90s"
      max_wrapping_ttl      = 3600
      subscribe_event_types = ["kv-v2/*"]
    })");
  ASSERT_EQ(policy.rules.size(), 1u);
  const PathRule& rule = policy.rules[0];
  EXPECT_EQ(rule.written, "secret/data/*");
  EXPECT_EQ(rule.path, "secret/data/");
  EXPECT_TRUE(rule.prefix);
  EXPECT_FALSE(rule.segments);
  EXPECT_THAT(rule.capabilities.Names(),
              ElementsAre("create", "list", "patch", "read", "recover", "subscribe", "sudo"));
  EXPECT_EQ(Listed(rule.allowed_parameters), "*=[] name=[\"a*\";5;true;1.5E0;]");
  EXPECT_EQ(Listed(rule.denied_parameters), "zip=[[\"x\",\"y\"];]");
  EXPECT_THAT(rule.required_parameters, ElementsAre("name", "7"));
  EXPECT_EQ(rule.min_wrapping_ttl, absl::Seconds(90));
  EXPECT_EQ(rule.max_wrapping_ttl, absl::Hours(1));
  EXPECT_THAT(rule.subscribe_event_types, ElementsAre("kv-v2/*"));
}

TEST(Policy, ReadsTheSameFromJson) {
  const Policy policy = Parsed(
      R"({"path": {"a": {"capabilities": ["read"], "allowed_parameters": {"x": ["1"]}},
                   "b/+": {"policy": "deny"}}})");
  ASSERT_EQ(policy.rules.size(), 2u);
  EXPECT_EQ(policy.rules[0].path, "a");
  EXPECT_THAT(policy.rules[0].capabilities.Names(), ElementsAre("read"));
  EXPECT_EQ(Listed(policy.rules[0].allowed_parameters), "x=[\"1\";]");
  EXPECT_TRUE(policy.rules[1].segments);
  EXPECT_THAT(policy.rules[1].capabilities.Names(), ElementsAre("deny"));
}

struct Pattern {
  std::string_view written;
  std::string_view path;
  bool prefix;
  bool segments;
};

TEST(Policy, TellsPathPatternsApart) {
  const Pattern patterns[] = {
      {"a/b", "a/b", false, false},    {"/a/b", "a/b", false, false},
      {"a/*", "a/", true, false},      {"a*", "a", true, false},
      {"*", "", true, false},          {"a/*/b", "a/*/b", false, false},
      {"+", "+", false, true},         {"+/a", "+/a", false, true},
      {"a/+/b", "a/+/b", false, true}, {"a/+/b*", "a/+/b", true, true},
      {"a/+b", "a/+b", false, true},   {"a+/b", "a+/b", false, false},
      {"", "", false, false},          {"a/", "a/", false, false},
      {"a/**", "a/*", true, false},
  };
  for (const Pattern& pattern : patterns) {
    const Policy policy = Parsed(Concat({"path \"", pattern.written, "\" {}"}));
    ASSERT_EQ(policy.rules.size(), 1u) << pattern.written;
    EXPECT_EQ(policy.rules[0].path, pattern.path) << pattern.written;
    EXPECT_EQ(policy.rules[0].prefix, pattern.prefix) << pattern.written;
    EXPECT_EQ(policy.rules[0].segments, pattern.segments) << pattern.written;
  }
}

TEST(Policy, AShorthandAddsToCapabilitiesAndDenyReplacesThem) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"policy = \"read\"", "list,read"},
      {"policy = \"write\"", "create,delete,list,read,update"},
      {"policy = \"sudo\"", "create,delete,list,read,sudo,update"},
      {"policy = \"deny\" capabilities = [\"read\"]", "deny"},
      {"policy = \"read\" capabilities = [\"patch\"]", "list,patch,read"},
      {"capabilities = [\"read\", \"deny\", \"nonsense\"]", "deny"},
      {"capabilities = []", ""},
      {"", ""},
  };
  for (const auto& [attributes, names] : cases) {
    const Policy policy = Parsed(Concat({"path \"a\" { ", attributes, " }"}));
    ASSERT_EQ(policy.rules.size(), 1u);
    std::string joined;
    for (const std::string& name : policy.rules[0].capabilities.Names()) {
      joined += Concat({joined.empty() ? "" : ",", name});
    }
    EXPECT_EQ(joined, names) << attributes;
  }
}

TEST(Policy, WhatIsDeniedHasNothingElseToSay) {
  const Policy policy = Parsed(
      "path \"a\" { capabilities = [\"deny\"] subscribe_event_types = [\"*\"]\n"
      "allowed_parameters = { \"x\" = [] } min_wrapping_ttl = 5 max_wrapping_ttl = 1 }");
  EXPECT_TRUE(policy.rules[0].subscribe_event_types.empty());
  EXPECT_TRUE(policy.rules[0].allowed_parameters.empty());
  EXPECT_EQ(policy.rules[0].min_wrapping_ttl, absl::ZeroDuration());
}

TEST(Policy, ReadsDurationsAsVaultDoes) {
  const std::pair<std::string_view, absl::Duration> cases[] = {
      {"5", absl::Seconds(5)},        {"\"5\"", absl::Seconds(5)},
      {"\"\"", absl::ZeroDuration()}, {"\"1h30m\"", absl::Minutes(90)},
      {"\"2d\"", absl::Hours(48)},    {"\"1.5s\"", absl::Milliseconds(1500)},
      {"0x10", absl::Seconds(16)},    {"2.9", absl::Seconds(2)},
  };
  for (const auto& [written, duration] : cases) {
    const Policy policy = Parsed(Concat({"path \"a\" { min_wrapping_ttl = ", written, " }"}));
    ASSERT_EQ(policy.rules.size(), 1u) << written;
    EXPECT_EQ(policy.rules[0].min_wrapping_ttl, duration) << written;
  }
}

TEST(Policy, ErrorsSayWhatIsWrongAndWhere) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"path \"x\" { capabilities=[\"bogus\"] }", "path \"x\": invalid capability \"bogus\""},
      {"path \"x\" { capabilities=[\"Read\"] }", "path \"x\": invalid capability \"Read\""},
      {"path \"x\" {\n", "At 2:2: object expected closing RBRACE got: EOF"},
      {"foo = 1", "1 error occurred:\n\t* invalid key \"foo\" on line 1, column 1\n\n"},
      {"foo {}\nbar = 2",
       "2 errors occurred:\n\t* invalid key \"foo\" on line 1, column 1\n"
       "\t* invalid key \"bar\" on line 2, column 1\n\n"},
      {"path \"a\" { zip = 1 }",
       "1 error occurred:\n\t* path \"a\": invalid key \"zip\" on line 1, column 12\n\n"},
      {"path \"a\" { zip {} }",
       "1 error occurred:\n\t* path \"a\": invalid key \"zip\" on line 1, column 12\n\n"},
      {"path = { \"a\" = {} }",
       "1 error occurred:\n\t* path \"path\": invalid key \"a\" on line 1, column 10\n\n"},
      {R"({"path":{"a":[{"capabilities":["read"]}]}})",
       "1 error occurred:\n\t* path \"path\": invalid key \"a\" on line 1, column 10\n\n"},
      {"path \"a\" { capabilities = \"read\" }",
       R"(path "a": At 1:27: capabilities must be a list: ["…", …])"},
      {"path \"a\" { capabilities = [true] }",
       "path \"a\": At 1:28: capabilities[0] must be a string in quotes"},
      {"path \"a\" { policy = [] }", "path \"a\": At 1:21: policy must be a string in quotes"},
      {"path \"a\" { allowed_parameters = [] }",
       R"(path "a": At 1:33: allowed_parameters must be a block of lists: )"
       R"(allowed_parameters = { "…" = [] })"},
      {"path \"a\" { allowed_parameters = { \"x\" = \"y\" } }",
       R"(path "a": At 1:41: the parameter "x" must be a list: ["…", …])"},
      {"path = 5",
       R"(path "path": At 1:8: a path is a block with a pattern: path "secret/*" { … })"},
      {"name = true", "At 1:8: name must be a string in quotes"},
      {"path \"a/+*\" {}", "path \"a/+*\": invalid use of wildcards ('+*' is forbidden)"},
      {"path \"a\" { policy = \"all\" }", "path \"a\": invalid policy \"all\""},
      {"path \"a\" { min_wrapping_ttl = 10 max_wrapping_ttl = 5 }",
       "max_wrapping_ttl cannot be less than min_wrapping_ttl"},
      {"path \"a\" { capabilities = []\ncapabilities = [] }",
       "The argument \"capabilities\" at 2:1 was already set. Each argument can only be defined "
       "once"},
  };
  for (const auto& [text, error] : cases) EXPECT_EQ(ErrorOf(text), error) << text;
}

TEST(Policy, WhatIsNotSupportedIsRefusedWithAWayOut) {
  for (const std::string_view attribute :
       {"control_group = { factor \"x\" {} }", "mfa_methods = [\"x\"]", "control_group { }"}) {
    EXPECT_THAT(ErrorOf(Concat({"path \"a\" { ", attribute, " }"})),
                HasSubstr("at 1:12 is not supported: remove it"));
  }
  for (const std::string_view path : {"a/{{identity.entity.id}}", "a/{{x", "a/x}}"}) {
    EXPECT_THAT(ErrorOf(Concat({"path \"", path, "\" {}"})),
                HasSubstr("templates ({{…}}) are not supported"));
  }
}

TEST(Policy, ATimeThatIsNoneIsRefusedWithItsPlace) {
  for (const std::string_view value :
       {"\"5x\"", "[1]", "true", "{}", "\"inf\"", "99999999999999999999", "\"9999999999999d\""}) {
    EXPECT_THAT(ErrorOf(Concat({"path \"a\" { min_wrapping_ttl = ", value, " }"})),
                HasSubstr("error parsing min_wrapping_ttl: at 1:31: could not parse duration"))
        << value;
  }
}

}  // namespace
}  // namespace belfry::access
