#include "server/access/explanation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "base/glob.h"
#include "base/text.h"
#include "server/access/authorizer.h"
#include "server/access/testing.h"

namespace belfry::access {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr char kWrite[] = "kv-v2/data-write";

std::shared_ptr<const Policy> Parse(std::string_view name, std::string_view text) {
  absl::StatusOr<Policy> policy = ParsePolicy(name, text);
  EXPECT_TRUE(policy.ok()) << policy.status() << "\n" << text;
  return policy.ok() ? std::make_shared<const Policy>(*std::move(policy)) : nullptr;
}

Acl AclOf(std::string_view text) {
  return Acl({Parse("app", text)});
}

// "app:1:6 …" of the lines that decide.
std::string Lines(const Decision& decision) {
  std::string lines;
  if (decision.rule == nullptr) return lines;
  for (const Origin& origin : decision.rule->origins) {
    lines += Concat(
        {lines.empty() ? "" : " ", origin.policy->name, ":", hcl::ToText(origin.rule->position)});
  }
  return lines;
}

// "secret/data/* granted", for each.
std::vector<std::string> Patterns(const std::vector<Finding>& findings) {
  static constexpr const char* kNames[] = {"granted",      "root",      "no rule",  "deny",
                                           "no subscribe", "no sudo",   "wrapping", "parameters",
                                           "other types",  "some types"};
  std::vector<std::string> texts;
  for (const Finding& finding : findings) {
    texts.push_back(
        Concat({finding.path, " ", kNames[static_cast<int>(finding.decision.verdict)]}));
  }
  return texts;
}

// Whatever the form of the rule, and no rule twice.
TEST(Acl, RulesIntoAMountAreThoseThatCanDecideAboutOneOfItsPaths) {
  std::string text;
  for (const char* path :
       {"*",       "a*",    "a/*",  "a/b",    "a/b*",  "a/b/c", "a/b/c*", "a/b/c/d", "a/c",
        "b",       "b*",    "ab/*", "+",      "+/b",   "+/b/*", "+/b*",   "+/+",     "+/+/c",
        "+/+/+/x", "a/+/*", "a/+",  "a/+/x*", "+/c/x", "b/+",   "+/c*",   "+/*"}) {
    text += Concat({"path \"", path, "\" { capabilities = [\"read\"] }\n"});
  }
  const Acl acl = AclOf(text);
  std::vector<std::string> patterns;
  for (const MergedRule* rule : acl.RulesInto("a/b/")) patterns.push_back(PatternOf(rule->rule));
  EXPECT_THAT(patterns, ElementsAre("*", "+/*", "+/+", "+/+/+/x", "+/+/c", "+/b", "+/b*", "+/b/*",
                                    "a*", "a/*", "a/+", "a/+/*", "a/+/x*", "a/b", "a/b*", "a/b/c",
                                    "a/b/c*", "a/b/c/d"));
}

// Only one of them can be reached into: with "+" at its end a pattern matches the mount's path.
TEST(Acl, APatternOfTheMountsOwnPathDoesNotReachIntoIt) {
  EXPECT_FALSE(AclOf("path \"a/b\" { capabilities = [\"deny\"] }"
                     "path \"a/+\" { capabilities = [\"read\"] }")
                   .ReachesInto("a/b/"));
  EXPECT_TRUE(AclOf("path \"a/b\" { capabilities = [\"deny\"] }"
                    "path \"a/+/c\" { capabilities = [\"read\"] }")
                  .ReachesInto("a/b/"));
}

TEST(Acl, WhatSeveralPoliciesSayIsThereOnce) {
  const Acl acl({Parse("a",
                       "path \"x\" { capabilities = [\"subscribe\"]\n"
                       "subscribe_event_types = [\"b\", \"a\"] }"),
                 Parse("b",
                       "path \"x\" { capabilities = [\"subscribe\"]\n"
                       "subscribe_event_types = [\"c\", \"b\"] }")});
  EXPECT_THAT(acl.RulesInto("x/").front()->rule.subscribe_event_types, ElementsAre("b", "a", "c"));
}

TEST(ExplainEvent, NamesTheLinesThatDecide) {
  const Acl acl(
      {Parse("a", "path \"x\" {}\n  path \"secret/data/*\" { capabilities = [\"read\"] }"),
       Parse("b",
             "path \"secret/data/*\" {\n capabilities = [\"subscribe\"]\n"
             " subscribe_event_types = [\"kv*\"] }"),
       Parse("c", "{\"path\": {\"secret/data/no\": {\"capabilities\": [\"deny\"]}}}")});
  const Finding granted = ExplainEvent(acl, "secret/data/x", kWrite);
  EXPECT_EQ(granted.decision.verdict, Verdict::kGranted);
  EXPECT_EQ(Lines(granted.decision), "a:2:8 b:1:6");
  EXPECT_EQ(granted.grant, "");
  const Finding denied = ExplainEvent(acl, "secret/data/no", kWrite);
  EXPECT_EQ(denied.decision.verdict, Verdict::kDeny);
  EXPECT_EQ(Lines(denied.decision), "c:1:11");
}

TEST(ExplainEvent, WhatCannotBeGrantedByALineMoreHasNone) {
  const Acl acl = AclOf("path \"secret/data/no\" { capabilities = [\"deny\"] }");
  EXPECT_EQ(ExplainEvent(acl, "secret/data/no", kWrite).grant, "");
  EXPECT_EQ(ExplainEvent(acl, "", kWrite).grant, "");
  // No policy can name just these.
  for (const char* path : {"secret/data/a*", "secret/data/+/a", "secret/data/{{a}}"}) {
    EXPECT_EQ(ExplainEvent(acl, path, kWrite).grant, "") << path;
  }
}

struct GrantCase {
  const char* policy;
  const char* path;
  Verdict verdict;
  const char* grant;
};

class GrantTest : public ::testing::TestWithParam<GrantCase> {};

// With its lines added, what was not granted is.
TEST_P(GrantTest, IsGrantedByItsOwnLines) {
  const GrantCase& c = GetParam();
  const Acl acl = AclOf(c.policy);
  const Finding finding = ExplainEvent(acl, c.path, kWrite);
  EXPECT_EQ(finding.decision.verdict, c.verdict);
  EXPECT_EQ(finding.grant, c.grant);
  EXPECT_FALSE(acl.AllowsEvent(c.path, kWrite));
  const Acl changed = acl.With(Parse("more", finding.grant));
  EXPECT_TRUE(changed.AllowsEvent(c.path, kWrite));
  EXPECT_EQ(ExplainEvent(changed, c.path, kWrite).grant, "");
}

INSTANTIATE_TEST_SUITE_P(
    Explain, GrantTest,
    ::testing::Values(
        GrantCase{"", "secret/data/x", Verdict::kNoRule,
                  "path \"secret/data/x\" {\n  capabilities = [\"subscribe\"]\n"
                  "  subscribe_event_types = [\"kv-v2/data-write\"]\n}\n"},
        // Whoever may list the folder of that name still may.
        GrantCase{"path \"secret/data/x/*\" { capabilities = [\"list\"] }", "secret/data/x",
                  Verdict::kNoRule,
                  "path \"secret/data/x\" {\n  capabilities = [\"list\", \"subscribe\"]\n"
                  "  subscribe_event_types = [\"kv-v2/data-write\"]\n}\n"},
        GrantCase{"path \"secret/*\" { capabilities = [\"read\"] }", "secret/metadata/x",
                  Verdict::kNoCapability,
                  "path \"secret/metadata/x\" {\n  capabilities = [\"read\", \"subscribe\"]\n"
                  "  subscribe_event_types = [\"kv-v2/data-write\"]\n}\n"},
        GrantCase{"path \"secret/*\" { capabilities = [\"subscribe\"] }", "secret/data/x",
                  Verdict::kOtherTypes,
                  "path \"secret/data/x\" {\n  capabilities = [\"subscribe\"]\n"
                  "  subscribe_event_types = [\"kv-v2/data-write\"]\n}\n"},
        GrantCase{"path \"secret/data/x\" { capabilities = [\"subscribe\"]\n"
                  "subscribe_event_types = [\"kv-v1/*\"] }",
                  "secret/data/x", Verdict::kOtherTypes,
                  "path \"secret/data/x\" {\n  capabilities = [\"subscribe\"]\n"
                  "  subscribe_event_types = [\"kv-v2/data-write\", \"kv-v1/*\"]\n}\n"},
        // What bounds requests is not to be got around by a narrower path.
        GrantCase{"path \"secret/+/x\" { capabilities = [\"update\"]\n"
                  "required_parameters = [\"a\"] }",
                  "secret/data/x", Verdict::kNoCapability,
                  "path \"secret/+/x\" {\n  capabilities = [\"subscribe\"]\n"
                  "  subscribe_event_types = [\"kv-v2/data-write\"]\n}\n"},
        GrantCase{"path \"secret/*\" { capabilities = [\"deny\"] }", "secret/data/x",
                  Verdict::kDeny,
                  "path \"secret/data/x\" {\n  capabilities = [\"subscribe\"]\n"
                  "  subscribe_event_types = [\"kv-v2/data-write\"]\n}\n"},
        // A path that only a pattern could name is granted with its rule.
        GrantCase{"path \"secret/*\" { capabilities = [\"read\"] }", "secret/data/a*",
                  Verdict::kNoCapability,
                  "path \"secret/*\" {\n  capabilities = [\"subscribe\"]\n"
                  "  subscribe_event_types = [\"kv-v2/data-write\"]\n}\n"},
        GrantCase{"", "secret/data/q\"\\${x", Verdict::kNoRule,
                  "path \"secret/data/q\\\"\\\\\\x24{x\" {\n  capabilities = [\"subscribe\"]\n"
                  "  subscribe_event_types = [\"kv-v2/data-write\"]\n}\n"}));

TEST(ExplainMount, SaysOfEachPatternWhatItsRuleSays) {
  const Acl acl = AclOf(R"(
path "secret/data/*" { capabilities = ["read"] }
path "secret/data/app/*" { capabilities = ["subscribe"] subscribe_event_types = ["kv*"] }
path "secret/data/app/key" { capabilities = ["deny"] }
path "secret/+/team" { capabilities = ["subscribe"] subscribe_event_types = ["kv-v2/data-delete"] }
path "secret/metadata/*" { capabilities = ["subscribe"] subscribe_event_types = ["kv-v2/*-write"] }
path "secrets/data/*" { capabilities = ["subscribe"] subscribe_event_types = ["*"] }
path "+/other/*" { capabilities = ["subscribe"] subscribe_event_types = ["*"] }
path "secret" { capabilities = ["read"] }
)");
  EXPECT_THAT(
      Patterns(ExplainMount(acl, "secret/", kWrite)),
      ElementsAre("+/other/* granted", "secret no subscribe", "secret/+/team other types",
                  "secret/data/* no subscribe", "secret/data/app/* granted",
                  "secret/data/app/key deny", "secret/metadata/* granted", "secret/* no rule"));
  EXPECT_THAT(
      Patterns(ExplainMount(acl, "secret/", "kv-v2/*")),
      ElementsAre("+/other/* granted", "secret no subscribe", "secret/+/team some types",
                  "secret/data/* no subscribe", "secret/data/app/* granted",
                  "secret/data/app/key deny", "secret/metadata/* some types", "secret/* no rule"));
}

TEST(ExplainMount, WhatIsCoveredHasNoRest) {
  for (const char* pattern : {"*", "sec*", "secret/*", "+/*"}) {
    const Acl acl = AclOf(Concat({"path \"", pattern, "\" { capabilities = [\"read\"] }"}));
    EXPECT_THAT(Patterns(ExplainMount(acl, "secret/", kWrite)),
                ElementsAre(Concat({pattern, " no subscribe"})));
  }
  EXPECT_THAT(Patterns(ExplainMount(Acl({Parse("root", "")}), "secret/", kWrite)),
              ElementsAre("secret/* root"));
}

TEST(ExplainMount, TheRestIsNotGrantedOverTheHeadOfAnotherPattern) {
  const Acl clear = AclOf("path \"secret/data/a\" { capabilities = [\"read\"] }");
  EXPECT_THAT(ExplainMount(clear, "secret/", kWrite).back().grant, HasSubstr("\"secret/*\""));
  // It would be outranked by secret/*, and its read be lost.
  const Acl shadowed = AclOf("path \"+/data/a\" { capabilities = [\"read\"] }");
  EXPECT_EQ(ExplainMount(shadowed, "secret/", kWrite).back().grant, "");
}

TEST(Explain, ARequestIsExplainedAlike) {
  const Acl acl = AclOf("path \"sys/*\" { capabilities = [\"update\"] }");
  const Question connect{.path = "sys/events/subscribe/kv*"};
  const Finding finding = Explain(acl, connect);
  EXPECT_EQ(finding.decision.verdict, Verdict::kNoCapability);
  EXPECT_EQ(finding.grant,
            "path \"sys/events/subscribe/kv*\" {\n  capabilities = [\"read\", \"update\"]\n}\n");
  EXPECT_TRUE(acl.With(Parse("more", finding.grant)).Allows(connect));
  const Finding raw = Explain(acl, {.path = "sys/raw/core"});
  EXPECT_TRUE(acl.With(Parse("more", raw.grant)).Allows({.path = "sys/raw/core"})) << raw.grant;
}

// Policies and paths at random, of few parts, so that much coincides.
class RandomCases {
 public:
  explicit RandomCases(unsigned seed) : random_(seed) {}

  std::string Path() {
    std::string path = "secret";
    for (int i = Number(4); i > 0; --i) path += Concat({"/", Part()});
    return Number(8) == 0 ? Concat({path, "/"}) : path;
  }
  std::string Type() { return Pick({"kv-v2/data-write", "kv-v2/data-delete", "kv-v1/write"}); }
  std::string TypePattern() { return Pick({"kv*", "*", "kv-v2/*", "*-write", "kv-v2/data-*"}); }

  std::string PolicyText() {
    std::string text;
    for (int i = Number(6); i >= 0; --i) text += Rule();
    return text;
  }

 private:
  int Number(int below) { return static_cast<int>(random_() % static_cast<unsigned>(below)); }
  std::string Pick(std::vector<std::string> from) {
    return from[static_cast<std::size_t>(Number(static_cast<int>(from.size())))];
  }
  std::string Part() { return Pick({"a", "b", "data", "a\\\"b", "metadata"}); }

  std::string Pattern() {
    std::string pattern = Pick({"secret", "secret", "+", "s*", "*", "other", "secret/data*"});
    if (pattern.ends_with('*')) return pattern;
    for (int i = Number(4); i > 0; --i) pattern += Concat({"/", Number(5) == 0 ? "+" : Part()});
    return Concat({pattern, Pick({"", "/*", "/", ""})});
  }

  std::string Rule() {
    std::string text = Concat({"path \"", Pattern(), "\" { capabilities = ["});
    for (int i = Number(3); i >= 0; --i) {
      text += Concat({"\"", Pick({"subscribe", "subscribe", "read", "list", "update"}), "\", "});
    }
    if (Number(10) == 0) text += "\"deny\"";
    text += "]\n";
    if (Number(4) > 0) {
      text += Concat({"subscribe_event_types = [\"", TypePattern(), "\", \"", Type(), "\"]\n"});
    }
    if (Number(8) == 0) text += "required_parameters = [\"a\"]\n";
    return Concat({text, "}\n"});
  }

  std::mt19937 random_;
};

std::vector<std::string> Unquoted(std::vector<std::string> paths) {
  for (std::string& path : paths) std::erase(path, '\\');
  return paths;
}

class RandomPolicies : public ::testing::Test {
 protected:
  std::vector<std::string> Paths() {
    std::vector<std::string> paths;
    for (int i = 0; i < 24; ++i) paths.push_back(cases_.Path());
    return Unquoted(std::move(paths));
  }
  Acl Random() { return Acl({Parse("a", cases_.PolicyText()), Parse("b", cases_.PolicyText())}); }
  RandomCases cases_{20261127};
};

// What the token gets is what the authorizer of its subscription says.
TEST_F(RandomPolicies, AnExplanationSaysWhatTheEventAuthorizerDoes) {
  FakeClock clock(absl::FromUnixSeconds(1'795'413'461));
  MemoryPolicies policies;
  MemoryTokens tokens(&clock);
  const auto authorizer = NewAuthorizer(policies.store.get(), tokens.store.get(), &clock);
  auto planned = PlanToken(tokens.root->entry, CreatorRights::kSudo, {.policies = {"a", "b"}});
  ASSERT_TRUE(planned.ok() && tokens.store->Create(&*planned).ok());
  const Identity identity = *authorizer->Authenticate(planned->secret);
  const auto event_authorizer = authorizer->EventAuthorizerOf(identity);
  int granted = 0;
  int denied = 0;
  for (int round = 0; round < 300; ++round) {
    ASSERT_EQ(policies.store->Put("a", cases_.PolicyText()), absl::OkStatus());
    ASSERT_EQ(policies.store->Put("b", cases_.PolicyText()), absl::OkStatus());
    event_authorizer->Refresh();
    const auto acl = authorizer->RulesOf(identity);
    for (const std::string& path : Paths()) {
      const std::string type = cases_.Type();
      const bool allowed = ExplainEvent(*acl, path, type).decision.allowed();
      ASSERT_EQ(allowed, event_authorizer->Allows(path, type)) << path << " " << type;
      ++(allowed ? granted : denied);
    }
  }
  EXPECT_GT(granted, 500);
  EXPECT_GT(denied, 500);
}

// Of a pattern of types: granted is granted for each, denied is denied for each.
TEST_F(RandomPolicies, APatternOfTypesMeansEachOfThem) {
  for (int round = 0; round < 300; ++round) {
    const Acl acl = Random();
    for (const std::string& path : Paths()) {
      const std::string pattern = cases_.TypePattern();
      const std::string type = cases_.Type();
      if (!GlobMatches(pattern, type)) continue;
      const Decision decision = ExplainEvent(acl, path, pattern).decision;
      if (decision.verdict == Verdict::kSomeTypes) continue;
      ASSERT_EQ(decision.allowed(), acl.AllowsEvent(path, type)) << path << " " << type;
    }
  }
}

// The patterns of a mount, and the rest, say of every path in it what is decided.
TEST_F(RandomPolicies, ThePatternsOfAMountSayAllThatIsDecidedInIt) {
  for (int round = 0; round < 300; ++round) {
    const Acl acl = Random();
    const std::string type = cases_.Type();
    const std::vector<Finding> findings = ExplainMount(acl, "secret/", type);
    for (const std::string& path : Paths()) {
      const Decision decision = acl.DecideEvent(path, type);
      const auto same = [&](const Finding& finding) {
        return finding.decision.rule == decision.rule &&
               finding.decision.verdict == decision.verdict;
      };
      // The mount without a path in it need not be a part of the rest.
      if (decision.rule == nullptr && path == "secret") continue;
      ASSERT_TRUE(std::any_of(findings.begin(), findings.end(), same)) << path;
    }
  }
}

// Whatever lines are offered grant what they are offered for, and nobody loses by them.
TEST_F(RandomPolicies, OfferedLinesGrantAndTakeNothingAway) {
  int offered = 0;
  const auto check = [&](const Acl& acl, const std::string& grant,
                         const std::vector<std::string>& paths) {
    ++offered;
    const Acl changed = acl.With(Parse("more", grant));
    for (const std::string& path : paths) {
      for (const Capability capability :
           {Capability::kRead, Capability::kUpdate, Capability::kList, Capability::kSubscribe}) {
        const Question question{.capability = capability, .path = path};
        ASSERT_TRUE(!acl.Allows(question) || changed.Allows(question))
            << NameOf(capability) << " " << path << "\n"
            << grant;
      }
      for (const char* type : {"kv-v2/data-write", "kv-v1/write"}) {
        ASSERT_TRUE(!acl.AllowsEvent(path, type) || changed.AllowsEvent(path, type))
            << type << " " << path << "\n"
            << grant;
      }
    }
  };
  for (int round = 0; round < 100; ++round) {
    const Acl acl = Random();
    const std::vector<std::string> paths = Paths();
    for (const std::string& path : paths) {
      const Finding finding = ExplainEvent(acl, path, kWrite);
      const bool hopeless = path.ends_with('/') || (finding.decision.verdict == Verdict::kDeny &&
                                                    PatternOf(finding.decision.rule->rule) == path);
      ASSERT_EQ(finding.grant.empty(), finding.decision.allowed() || hopeless) << path;
      if (finding.grant.empty()) continue;
      ASSERT_TRUE(acl.With(Parse("more", finding.grant)).AllowsEvent(path, kWrite));
      check(acl, finding.grant, paths);
    }
    for (const Finding& finding : ExplainMount(acl, "secret/", "kv*")) {
      if (!finding.grant.empty()) check(acl, finding.grant, paths);
    }
  }
  EXPECT_GT(offered, 1000);
}

}  // namespace
}  // namespace belfry::access
