#include "server/access/acl.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <fstream>
#include <random>
#include <sstream>

#include "base/text.h"

namespace belfry::access {
namespace {

using Words = std::vector<std::string>;

Words Split(const std::string& line) {
  std::istringstream stream(line);
  Words words;
  for (std::string word; stream >> word;) words.push_back(word == "\"\"" ? "" : word);
  return words;
}

std::string Join(Words::const_iterator begin, Words::const_iterator end) {
  std::string text;
  for (auto it = begin; it != end; ++it) text += Concat({it == begin ? "" : " ", *it});
  return text;
}

// Reads testdata/acl_cases.txt, whose head says what stands in it, and asks each case twice: with
// the policies in the order of the file and in the opposite one, which must not matter.
class CaseFile {
 public:
  void Run(const std::string& path) {
    std::ifstream file(path);
    ASSERT_TRUE(file.is_open()) << path;
    for (std::string line; std::getline(file, line);) {
      ++number_;
      RunLine(line);
    }
  }
  int cases() const { return cases_; }

 private:
  void RunLine(const std::string& line) {
    SCOPED_TRACE(Concat({"acl_cases.txt:", std::to_string(number_), ": ", line}));
    if (line.starts_with("  ") || (line.empty() && in_policy_)) {
      texts_.back().second += Concat({line, "\n"});
      return;
    }
    in_policy_ = false;
    if (line.starts_with("##")) {
      texts_.clear();
    } else if (line.starts_with("policy ")) {
      in_policy_ = true;
      texts_.emplace_back(line.substr(7), "");
    } else if (!line.empty() && line[0] != '#') {
      Ask(line);
    }
  }

  Acl Build(bool reversed) const {
    std::vector<std::shared_ptr<const Policy>> policies;
    for (const auto& [name, text] : texts_) {
      absl::StatusOr<Policy> policy = ParsePolicy(name, text);
      EXPECT_TRUE(policy.ok()) << policy.status();
      if (policy.ok()) policies.push_back(std::make_shared<const Policy>(*std::move(policy)));
    }
    if (reversed) std::reverse(policies.begin(), policies.end());
    return Acl(policies);
  }

  void Ask(const std::string& line) {
    const Acl forward = Build(false);
    const Acl backward = Build(true);
    const Words words = Split(line);
    ASSERT_GE(words.size(), words[0] == "reaches" || words[0] == "misses" ? 2u : 3u);
    const std::string& kind = words[0];
    if (kind == "can" || kind == "not") {
      AskCapability(forward, words, kind == "can");
      AskCapability(backward, words, kind == "can");
    } else if (kind == "sees" || kind == "hides") {
      AskEvent(forward, words, kind == "sees");
      AskEvent(backward, words, kind == "sees");
    } else if (kind == "reaches" || kind == "misses") {
      AskReach(forward, words, kind == "reaches");
      AskReach(backward, words, kind == "reaches");
    } else {
      AskRule(forward, words);
      if (kind == "caps") AskRule(backward, words);
    }
    const bool several = kind != "caps" && kind != "line" && words.size() > 2 &&
                         !words[2].empty() &&
                         (words.size() < 4 || (words[3] != "with" && words[3] != "wrapped"));
    cases_ += several ? static_cast<int>(words.size()) - 2 : 1;
  }

  static void AskCapability(const Acl& acl, const Words& words, bool expected) {
    const std::optional<Capability> capability = CapabilityNamed(words[1]);
    ASSERT_TRUE(capability.has_value());
    Question question{.capability = *capability, .path = words[2]};
    if (words.size() > 4 && words[3] == "with") {
      const boost::json::value data = boost::json::parse(Join(words.begin() + 4, words.end()));
      question.parameters = &data.get_object();
      EXPECT_EQ(acl.Allows(question), expected);
      return;
    }
    if (words.size() > 4 && words[3] == "wrapped") {
      ASSERT_TRUE(absl::ParseDuration(words[4], &question.wrap_ttl));
      EXPECT_EQ(acl.Allows(question), expected);
      return;
    }
    for (auto path = words.begin() + 2; path != words.end(); ++path) {
      question.path = *path;
      EXPECT_EQ(acl.Allows(question), expected) << *path;
    }
  }

  static void AskEvent(const Acl& acl, const Words& words, bool expected) {
    for (auto path = words.begin() + 2; path != words.end(); ++path) {
      EXPECT_EQ(acl.AllowsEvent(*path, words[1]), expected) << *path;
    }
  }

  static void AskReach(const Acl& acl, const Words& words, bool expected) {
    for (auto mount = words.begin() + 1; mount != words.end(); ++mount) {
      EXPECT_EQ(acl.ReachesInto(*mount), expected) << *mount;
    }
  }

  static void AskRule(const Acl& acl, const Words& words) {
    ASSERT_EQ(words[2], "=");
    const std::string expected = Join(words.begin() + 3, words.end());
    if (words[0] == "caps") {
      const Words names = acl.CapabilitiesOn(words[1]);
      EXPECT_EQ(Join(names.begin(), names.end()), expected);
      return;
    }
    ASSERT_EQ(words[0], "line");
    const MergedRule* const rule = acl.Decisive(Capability::kList, words[1]);
    std::string lines = rule == nullptr ? "none" : "";
    for (const Origin& origin : rule == nullptr ? std::vector<Origin>() : rule->origins) {
      lines += Concat({lines.empty() ? "" : " ", origin.policy->name, ":",
                       std::to_string(origin.rule->position.line)});
    }
    EXPECT_EQ(lines, expected);
  }

  int number_ = 0;
  int cases_ = 0;
  bool in_policy_ = false;
  std::vector<std::pair<std::string, std::string>> texts_;
};

TEST(Acl, AnswersEveryCaseOfTheTable) {
  CaseFile file;
  file.Run(BELFRY_ACL_CASES);
  EXPECT_GE(file.cases(), 300);
  RecordProperty("cases", file.cases());
}

std::string Repeated(std::string_view text, int times) {
  std::string repeated;
  for (int i = 0; i < times; ++i) repeated += text;
  return repeated;
}

// How often a path's bytes are looked at, by rules with "+" in all places.
std::size_t BytesLookedAt(std::string_view path) {
  std::vector<MergedRule> rules;
  for (const char* pattern : {"+/b", "a/+/c", "a/a/+", "+/+/a/x", "a/+/a/a/q"}) {
    for (const bool prefix : {false, true}) {
      rules.push_back({.rule = {.path = pattern, .prefix = prefix, .segments = true}});
    }
  }
  SegmentRules tree;
  for (const MergedRule& rule : rules) tree.Add(&rule);
  return tree.Find(path).looked_at;
}

TEST(Acl, ToDecideCostsTimeLinearInThePath) {
  for (const std::string_view part : {"a/", "b/", "aaaaaaaaaaaa/", "a"}) {
    const std::size_t once = BytesLookedAt(Repeated(part, 1000));
    EXPECT_LE(BytesLookedAt(Repeated(part, 10'000)), 10 * once + 10) << part;
    EXPECT_LE(once, 10 * part.size() * 1000) << part;
  }
}

// Whether a pattern matches, found the long way.
bool MatchesByHand(std::string_view pattern, std::string_view path, bool prefix) {
  const auto head = [](std::string_view text) { return text.substr(0, text.find('/')); };
  const std::string_view wanted = head(pattern);
  const std::string_view given = head(path);
  const bool pattern_ends = wanted.size() == pattern.size();
  const bool path_ends = given.size() == path.size();
  if (pattern_ends && prefix) return wanted == "+" || given.starts_with(wanted);
  if (wanted != "+" && wanted != given) return false;
  if (pattern_ends || path_ends) return pattern_ends && path_ends;
  return MatchesByHand(pattern.substr(wanted.size() + 1), path.substr(given.size() + 1), prefix);
}

class RandomPaths {
 public:
  std::string Next(const std::vector<std::string>& parts) {
    std::string path = parts[Below(2)];
    for (std::size_t more = Below(4); more > 0; --more) path += "/" + parts[Below(parts.size())];
    return path;
  }
  std::size_t Below(std::size_t bound) { return random_() % bound; }

 private:
  std::mt19937 random_{1};
};

TEST(Acl, FindsTheRuleThatAComparisonWithEachFinds) {
  RandomPaths random;
  for (int round = 0; round < 300; ++round) {
    Policy policy{.name = "p"};
    for (int i = 0; i < 12; ++i) {
      PathRule rule{.path = random.Next({"a", "+", "b", "", "ab", "+"}),
                    .prefix = random.Below(2) == 0};
      rule.segments = ("/" + rule.path + "/").find("/+/") != std::string::npos;
      policy.rules.push_back(std::move(rule));
    }
    const auto shared = std::make_shared<const Policy>(std::move(policy));
    const Acl acl({shared});
    for (int i = 0; i < 30; ++i) {
      const std::string path = random.Next({"a", "b", "ab", "", "abc"});
      const PathRule* best = nullptr;
      for (const PathRule& rule : shared->rules) {
        if (!rule.segments && !(rule.prefix ? path.starts_with(rule.path) : path == rule.path)) {
          continue;
        }
        if (rule.segments && !MatchesByHand(rule.path, path, rule.prefix)) continue;
        const auto is_exact = [](const PathRule& r) { return !r.segments && !r.prefix; };
        if (best == nullptr || (is_exact(rule) && !is_exact(*best)) ||
            (is_exact(rule) == is_exact(*best) && Outranks(rule, *best))) {
          best = &rule;
        }
      }
      const MergedRule* const found = acl.Decisive(Capability::kRead, path);
      ASSERT_EQ(found == nullptr, best == nullptr) << path;
      if (found != nullptr) {
        EXPECT_EQ(PatternOf(found->rule), PatternOf(*best)) << path;
      }
    }
  }
}

TEST(Acl, APatternAsDeepAsAPathIsNoTrouble) {
  Policy policy{.name = "deep"};
  const std::string deep = Repeated("+/", 50'000);
  policy.rules.push_back({.path = deep + "a", .segments = true});
  policy.rules.back().capabilities.Add(Capability::kRead);
  const Acl acl({std::make_shared<const Policy>(std::move(policy))});
  EXPECT_TRUE(acl.Allows({.path = Repeated("x/", 50'000) + "a"}));
  EXPECT_FALSE(acl.Allows({.path = Repeated("x/", 50'000) + "b"}));
  EXPECT_FALSE(acl.Allows({.path = Repeated("x/", 49'999) + "a"}));
}

}  // namespace
}  // namespace belfry::access
