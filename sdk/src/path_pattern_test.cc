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

TEST(PathPattern, ATemplateIsWhatOpenApiWrites) {
  EXPECT_EQ(ParsePathPattern("a.b/{name}/c")->path_template, "a.b/{name}/c");
  EXPECT_EQ(ParsePathPattern("data/{path...}")->path_template, "data/{path}");
}

TEST(PathPattern, ARegexHasATemplateWhereOneCanSayIt) {
  const auto path_template = [](const char* regex) { return ParsePathRegex(regex).path_template; };
  EXPECT_EQ(path_template("^roles/(?P<name>\\w(([\\w-.]+)?\\w)?)$"), "roles/{name}");
  EXPECT_EQ(path_template("config/?"), "config");
  EXPECT_EQ(path_template("a\\.b/(?P<x>(a|\\)b))/(?P<y>.+)"), "a.b/{x}/{y}");
  for (const char* vague : {"a|b", "a.*", "(a)", "(?P<x>a", "a[bc]", "a\\d", "(?P<>a)"})
    EXPECT_EQ(path_template(vague), "") << vague;
  EXPECT_EQ(ParsePathRegex("(?P<b>.)/(?P<a>.)").parameters, (std::vector<std::string>{"b", "a"}));
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
