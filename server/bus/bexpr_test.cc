#include "server/bus/bexpr.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "base/text.h"
#include "server/bus/bexpr_hint.h"

namespace belfry::bus::bexpr {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string Dump(const Comparison& comparison) {
  constexpr std::string_view kOperators[] = {"==", "contains", "matches", "is empty"};
  std::string path;
  for (const std::string& part : comparison.selector.path) path += Concat({"/", part});
  return Concat({path, comparison.negated ? " not " : " ",
                 kOperators[static_cast<int>(comparison.operation)], " '", comparison.value.text,
                 "'"});
}

// A tree as one line, each operator around its operands.
std::string Dump(const Expression& expression) {
  constexpr std::string_view kKinds[] = {"", "not", "and", "or"};
  if (expression.kind == Expression::Kind::kComparison) return Dump(expression.comparison);
  std::string text(kKinds[static_cast<int>(expression.kind)]);
  for (const Expression& operand : expression.operands) text += Concat({" {", Dump(operand), "}"});
  return text;
}

std::string Parsed(std::string_view text) {
  const absl::StatusOr<Expression> expression = Parse(text, Limits());
  if (expression.ok()) return Dump(*expression);
  EXPECT_EQ(expression.status().code(), absl::StatusCode::kInvalidArgument);
  return Concat({"error: ", ToStd(expression.status().message())});
}

struct Case {
  std::string_view text;
  std::string_view parsed;
};

TEST(Bexpr, ReadsEveryOperator) {
  const Case cases[] = {
      {"a == b", "/a == 'b'"},
      {"a==b", "/a == 'b'"},
      {"a != b", "/a not == 'b'"},
      {"a contains b", "/a contains 'b'"},
      {"a not contains b", "/a not contains 'b'"},
      {"b in a", "/a contains 'b'"},
      {"b not in a", "/a not contains 'b'"},
      {"a matches b", "/a matches 'b'"},
      {"a not  \t\r\n matches b", "/a not matches 'b'"},
      {"a is empty", "/a is empty ''"},
      {"a is not empty", "/a not is empty ''"},
  };
  for (const Case& c : cases) EXPECT_EQ(Parsed(c.text), c.parsed) << c.text;
}

TEST(Bexpr, AndBindsMoreThanOrAndNotMoreThanBoth) {
  const Case cases[] = {
      {"a == 1 or b == 2 and not c == 3", "or {/a == '1'} {and {/b == '2'} {not {/c == '3'}}}"},
      {"(a == 1 or b == 2) and c == 3", "and {or {/a == '1'} {/b == '2'}} {/c == '3'}"},
      {"a == 1 or b == 2 or c == 3", "or {/a == '1'} {/b == '2'} {/c == '3'}"},
      {"a == 1 or (b == 2 or c == 3)", "or {/a == '1'} {or {/b == '2'} {/c == '3'}}"},
      {" ( ( a == 1 ) ) ", "/a == '1'"},
      {"not (a == 1 and b == 2)", "not {and {/a == '1'} {/b == '2'}}"},
      {"not not a == 1", "/a == '1'"},
      {"not not not a == 1", "not {/a == '1'}"},
  };
  for (const Case& c : cases) EXPECT_EQ(Parsed(c.text), c.parsed) << c.text;
}

TEST(Bexpr, KeywordsAreWordsWhereNothingElseFits) {
  EXPECT_EQ(Parsed("not in not"), "/not contains 'not'");
  EXPECT_EQ(Parsed("or == and or and == or"), "or {/or == 'and'} {/and == 'or'}");
}

TEST(Bexpr, ASelectorIsAPathInThreeSpellings) {
  const Case cases[] = {
      {"a.b.c is empty", "/a/b/c is empty ''"},
      {"a.0 is empty", "/a/0 is empty ''"},
      {R"(a["b c"].d[`e`] is empty)", "/a/b c/d/e is empty ''"},
      {"a/b_2 is empty", "/a/b_2 is empty ''"},
      {R"("/a/b-2/é~0~1" is empty)", "/a/b-2/é~/ is empty ''"},
      {R"("" is empty)", "/ is empty ''"},
  };
  for (const Case& c : cases) EXPECT_EQ(Parsed(c.text), c.parsed) << c.text;
}

TEST(Bexpr, AValueIsAWordANumberOrAString) {
  const Case cases[] = {
      {"a == secret/data/foo", "/a == 'secret/data/foo'"},
      {"a == b.c.0", "/a == 'b.c.0'"},
      {R"(a == b["c"])", "/a == 'b.c'"},
      {"a == -0.50", "/a == '-0.50'"},
      {"(a == 12)", "/a == '12'"},
      {R"(a == "data-write")", "/a == 'data-write'"},
      {R"(a == "\x41\102\u00e9\U0001F600\t\\")", "/a == 'AB\xC3\xA9\xF0\x9F\x98\x80\t\\'"},
      {R"(a == "\xff")", "/a == '\xff'"},
      {"a == `x\"\\n\r\ny`", "/a == 'x\"\\n\ny'"},
      {"a == ``", "/a == ''"},
  };
  for (const Case& c : cases) EXPECT_EQ(Parsed(c.text), c.parsed) << c.text;
}

TEST(Bexpr, AStringThatIsAPointerLosesItsFirstSlashAsAValue) {
  EXPECT_EQ(Parsed(R"(a == "/secret/data")"), "/a == 'secret/data'");
  EXPECT_EQ(Parsed(R"(a == "/secret/data/")"), "/a == '/secret/data/'");
  EXPECT_EQ(Parsed("a == `/secret/data`"), "/a == '/secret/data'");
}

TEST(Bexpr, SaysWhereItWasStuckAndWhatWouldHaveLedOn) {
  const Case cases[] = {
      {"operation",
       R"(error: 1:10 (9): no match found, expected: "!=", ".", "==", "[", [ \t\r\n] or [a-zA-Z0-9_/])"},
      {"operation == data-write",
       R"(error: 1:18 (17): no match found, expected: ".", "[", [ \t\r\n], [a-zA-Z0-9_/] or EOF)"},
      {"a == 1 AND b == 2",
       R"(error: 1:8 (7): no match found, expected: "and", "or", [ \t\r\n] or EOF)"},
      {"",
       R"(error: 1:1 (0): no match found, expected: "(", "-", "0", "\"", "`", "not", [ \t\r\n], [1-9] or [a-zA-Z])"},
      {"é == 1",
       R"(error: 1:1 (0): no match found, expected: "(", "-", "0", "\"", "`", "not", [ \t\r\n], [1-9] or [a-zA-Z])"},
  };
  for (const Case& c : cases) EXPECT_EQ(Parsed(c.text), c.parsed) << c.text;
}

TEST(Bexpr, CountsLinesAndCharactersAndBytes) {
  EXPECT_THAT(Parsed("`éé` in a and\n`é` in b &"), StartsWith("error: 2:10 (26): "));
  EXPECT_THAT(Parsed("a == `b\n"), StartsWith("error: 2:1 (8): "));
  EXPECT_THAT(Parsed("a.\nb"), StartsWith("error: 2:0 (2): "));
}

TEST(Bexpr, SaysWhatIsWrongRatherThanWhatWasExpected) {
  const Case cases[] = {
      {"(a == 1", R"(error: 1:8 (7): rule "grouping": Unmatched parentheses)"},
      {"a in 5", R"(error: 1:6 (5): rule "match": Invalid selector)"},
      {"a[5] == 1", R"(error: 1:3 (2): rule "index": Invalid index)"},
      {R"(a["b" == 1)", R"(error: 1:7 (6): rule "index": Unclosed index expression)"},
      {"a == 5x", R"(error: 1:7 (6): rule "number": Invalid number literal)"},
      {"a == 05", R"(error: 1:7 (6): rule "number": Invalid number literal)"},
      {R"(a == "b)", R"(error: 1:8 (7): rule "string": Unterminated string literal)"},
      {R"(a == "\q")", R"(error: 1:6 (5): rule "string": invalid syntax)"},
      {R"(a == "\ud800")", R"(error: 1:6 (5): rule "string": invalid syntax)"},
      {R"(a == "\400")", R"(error: 1:6 (5): rule "string": invalid syntax)"},
      {"a == \"b\nc\"", R"(error: 1:6 (5): rule "string": invalid syntax)"},
      {R"("\q" in a and "\w" in b)",
       "error: 1:1 (0): rule \"string\": invalid syntax\n"
       "1:15 (14): rule \"string\": invalid syntax"},
      {"a == \"\xC3\"", "error: 1:7 (6): invalid encoding"},
  };
  for (const Case& c : cases) EXPECT_EQ(Parsed(c.text), c.parsed) << c.text;
}

TEST(Bexpr, TwentyMistakesAreEnough) {
  std::string text = R"("\q" in a)";
  for (int i = 1; i < 1000; ++i) text += R"( or "\q" in a)";
  const std::string error = Parsed(text);
  EXPECT_EQ(std::count(error.begin(), error.end(), '\n'), 19);
}

std::string Repeated(std::string_view text, int times) {
  std::string all;
  for (int i = 0; i < times; ++i) all += text;
  return all;
}

TEST(Bexpr, NestsAsDeepAsTheLimitAndNoDeeper) {
  Limits limits;
  limits.max_filter_depth = 3;
  EXPECT_TRUE(Parse("(not (a == 1))", limits).ok());
  for (const char* deeper : {"((((a == 1))))", "(not (not a == 1))", "not not not not a == 1"}) {
    EXPECT_THAT(std::string(Parse(deeper, limits).status().message()),
                EndsWith("nested too deeply"))
        << deeper;
  }
  EXPECT_EQ(Parse("((((a", limits).status().message(), "1:4 (3): nested too deeply");
}

// A parser that tries every alternative of the grammar again takes twice the time for each of
// these.
TEST(Bexpr, TimeDoesNotDoubleWithEachLevel) {
  EXPECT_TRUE(Parse(Repeated("(", 100) + "a == 1" + Repeated(")", 100), Limits()).ok());
  EXPECT_THAT(Parsed(Repeated("(", 100) + "a == 1"), HasSubstr("Unmatched parentheses"));
  EXPECT_THAT(Parsed(Repeated("not ", 100) + "a"), HasSubstr("no match found"));
  EXPECT_THAT(Parsed(Repeated("(a == 1 or ", 100) + "b"), HasSubstr("Unmatched parentheses"));
}

TEST(Bexpr, AChainMayBeLong) {
  std::string text = "a == 1";
  for (int i = 0; i < 10'000; ++i) text += i % 2 == 0 ? " or b == 2" : " and c == 3";
  EXPECT_TRUE(Parse(text, Limits()).ok());
}

TEST(HintFor, SaysWhatToWriteInstead) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"operation == data-write",
       "a value with other characters than letters, digits, _ and / needs quotes: `data-write`"},
      {"data_path == /secret", "a value that does not begin with a letter needs quotes: `/secret`"},
      {"operation == 'data-write'", "' quotes nothing; write \" or `: `data-write`"},
      {"operation == 'x", "' quotes nothing; write \" or `: `x`"},
      {"data_path ~ \"x\"", "there is no operator ~; write matches"},
      {"version > 1", "there is no operator < or >; compare with ==, !=, in, contains or matches"},
      {"operation == \"data-write\";", "an expression ends without ;"},
      {"operation = x", "\"is equal\" is written =="},
      {"operation == x && operation != y", "write and instead of &&"},
      {"operation == x || operation != y", "write or instead of ||"},
      {"!(operation == x)", "write not instead of !"},
      // Not known, or not outside of quotes.
      {"operation equals x", ""},
      {"(operation == `a-b && c`", ""},
      {"operation == \"a-b", ""},
      {"operation == -5 and a.b[\"c-d\"] != x_y/z", ""},
      {"", ""}};
  for (const auto& [text, hint] : cases) EXPECT_EQ(HintFor(text), hint) << text;
}

TEST(HintFor, ShowsNothingThatDoesNotShow) {
  EXPECT_EQ(HintFor("a == \xff"),
            "a value with other characters than letters, digits, _ and / needs quotes");
}

}  // namespace
}  // namespace belfry::bus::bexpr
