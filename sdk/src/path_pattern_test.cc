#include "sdk/src/path_pattern.h"

#include <gtest/gtest.h>

#include "re2/re2.h"

namespace belfry::internal {
namespace {

bool Matches(const char* pattern, const char* path) {
  const absl::StatusOr<PathPattern> parsed = ParsePathPattern(pattern);
  return parsed.ok() && RE2::FullMatch(path, parsed->regex);
}

TEST(PathPattern, ANameIsOneSegment) {
  for (const char* path : {"notes/a", "notes/a-b.c", "notes/_x", "notes/9"})
    EXPECT_TRUE(Matches("notes/{name}", path)) << path;
  for (const char* path : {"notes/", "notes/a/b", "notes/-a", "notes/a.", "note/a", "xnotes/a"})
    EXPECT_FALSE(Matches("notes/{name}", path)) << path;
}

TEST(PathPattern, TheRestTakesSlashesAndMayBeEmpty) {
  for (const char* path : {"data/", "data/a", "data/a/b/"})
    EXPECT_TRUE(Matches("data/{path...}", path)) << path;
  EXPECT_FALSE(Matches("data/{path...}", "data"));
}

TEST(PathPattern, LiteralTextHasNoSpecialCharacters) {
  EXPECT_TRUE(Matches("a.b+c", "a.b+c"));
  EXPECT_FALSE(Matches("a.b+c", "aXbbc"));
}

TEST(PathPattern, MistakesAreRefusedByName) {
  for (const char* pattern :
       {"a/{", "a/}", "a/{}", "a/{b c}", "{a}/{a}", "{rest...}/x", "{a{b}}"}) {
    const absl::Status status = ParsePathPattern(pattern).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << pattern;
    EXPECT_NE(status.ToString().find(pattern), std::string::npos) << pattern;
  }
}

}  // namespace
}  // namespace belfry::internal
