#include "sdk/src/pattern_automaton.h"

#include <gtest/gtest.h>

#include <random>

#include "re2/re2.h"

namespace belfry::internal {
namespace {

PatternAutomaton Of(std::string_view pattern) {
  return PatternAutomaton(ParsePathPattern(pattern)->parts);
}

bool Matches(std::string_view pattern, const std::string& path) {
  return RE2::FullMatch(path, ParsePathPattern(pattern)->regex);
}

TEST(PatternAutomaton, CoversWhatMatchesNothingElse) {
  EXPECT_TRUE(Of("{rest...}").Covers(Of("a/{b}/c")));
  EXPECT_TRUE(Of("a/{rest...}").Covers(Of("a/{b}")));
  EXPECT_TRUE(Of("a/{rest...}").Covers(Of("a/")));
  EXPECT_TRUE(Of("keys/{name}").Covers(Of("keys/new")));
  EXPECT_TRUE(Of("keys/{name}").Covers(Of("keys/{key}")));
  EXPECT_TRUE(Of("{a}.{b}").Covers(Of("x.{b}")));
  EXPECT_TRUE(Of("{a}").Covers(Of("{a}-{b}")));

  EXPECT_FALSE(Of("a/{rest...}").Covers(Of("a")));
  EXPECT_FALSE(Of("keys/{name}").Covers(Of("keys/{name}/config")));
  EXPECT_FALSE(Of("keys/{name}").Covers(Of("keys/{rest...}")));
  EXPECT_FALSE(Of("keys/new").Covers(Of("keys/{name}")));
  EXPECT_FALSE(Of("keys/{name}").Covers(Of("keys/-new")));
  EXPECT_FALSE(Of("{a}-{b}").Covers(Of("{a}")));
}

std::string RandomPattern(std::mt19937& random) {
  static constexpr std::string_view kPieces[] = {"a", "b", "/", "-", ".", "{x}", "{y}", "a/", "_"};
  std::string pattern;
  const int pieces = static_cast<int>(random() % 5);
  for (int i = 0; i <= pieces; ++i) {
    const std::string_view piece = kPieces[random() % std::size(kPieces)];
    if (pattern.find(piece) == std::string::npos || piece.front() != '{') pattern += piece;
  }
  return random() % 4 == 0 ? pattern + "{rest...}" : pattern;
}

std::string RandomPath(std::mt19937& random) {
  static constexpr std::string_view kBytes = "ab/-._@";
  std::string path;
  for (std::size_t left = random() % 9; left > 0; --left) path += kBytes[random() % kBytes.size()];
  return path;
}

// Its expression is what requests are matched with: both must say the same of every path.
TEST(PatternAutomaton, AgreesWithTheExpressionOnRandomPaths) {
  std::mt19937 random(1);
  int matched = 0, covered = 0;
  for (int i = 0; i < 300; ++i) {
    const std::string one = RandomPattern(random), other = RandomPattern(random);
    const PatternAutomaton automaton = Of(one);
    const bool covers = automaton.Covers(Of(other));
    covered += covers ? 1 : 0;
    for (int j = 0; j < 50; ++j) {
      const std::string path = RandomPath(random);
      if (Matches(one, path)) {
        ++matched;
        EXPECT_EQ(automaton.Reach(path), path.size()) << one << " " << path;
      }
      const bool broken = covers && Matches(other, path) && !Matches(one, path);
      EXPECT_FALSE(broken) << one << " does not cover " << other << ": " << path;
    }
  }
  EXPECT_GT(matched, 50);
  EXPECT_GT(covered, 5);
}

TEST(PatternAutomaton, SaysWhereAPathLeavesThePattern) {
  EXPECT_EQ(Of("keys/{name}").WhyNot("keys/alice@x"),
            "after \"keys/alice\" it expects {name}, which takes letters, digits, '_', and between "
            "them '-' and '.' or the end, not \"@x\"");
  EXPECT_EQ(Of("keys/{name}/config").WhyNot("keys/a/confug"),
            "after \"keys/a/conf\" it expects \"ig\", not \"ug\"");
  EXPECT_EQ(Of("keys/{name}").WhyNot("keys/"),
            "after \"keys/\" it expects {name}, which takes letters, digits, '_', and between them "
            "'-' and '.', and the path ends there");
}

}  // namespace
}  // namespace belfry::internal
