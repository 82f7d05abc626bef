#include "server/access/hcl.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/text.h"

namespace belfry::access::hcl {
namespace {

using ::testing::ElementsAre;

// A tree as one line: a(b) = value, blocks without '='.
std::string Dump(const std::vector<Item>& items);

std::string Dump(const Value& value) {
  switch (value.kind) {
    case Value::Kind::kString:
      return Concat({"'", value.text, "'"});
    case Value::Kind::kObject:
      return Concat({"{", Dump(value.object), "}"});
    case Value::Kind::kList: {
      std::string text;
      for (const Value& element : value.list)
        text += Concat({text.empty() ? "" : " ", Dump(element)});
      return Concat({"[", text, "]"});
    }
    default:
      return value.text;
  }
}

std::string Dump(const std::vector<Item>& items) {
  std::string text;
  for (const Item& item : items) {
    if (!text.empty()) text += ", ";
    for (const Key& key : item.keys) text += Concat({key.text, " "});
    text += Concat({item.assign.line != 0 ? "= " : "", Dump(item.value)});
  }
  return text;
}

std::string Parsed(std::string_view text) {
  const absl::StatusOr<std::vector<Item>> items = Parse(text);
  return items.ok() ? Dump(*items) : Concat({"error: ", ToStd(items.status().message())});
}

struct Case {
  std::string_view text;
  std::string_view parsed;
};

TEST(Hcl, ReadsWhatTheLanguageHas) {
  const Case cases[] = {
      {"", ""},
      {"# nothing\n// at all\n/* over\nlines */", ""},
      {"a = 1", "a = 1"},
      {"a = -1.5e3", "a = -1.5e3"},
      {"a = 0x1F", "a = 0x1F"},
      {"a = true b = false", "a = true, b = false"},
      {"a = \"x\" # why", "a = 'x'"},
      {"\"a b\" = [1, \"two\", true,]", "a b = [1 'two' true]"},
      {"a = [,,1,,]", "a = [1]"},
      {"a = [[1], {b = 2}]", "a = [[1] {b = 2}]"},
      {"a b \"c\" { d = 1 }", "a b c {d = 1}"},
      {"a { b { c = 1 } }", "a {b {c = 1}}"},
      {"a {} , b {}", "a {}, b {}"},
      {"a { b = 1, c = 2, }", "a {b = 1, c = 2}"},
      {"a {}\na {}", "a {}, a {}"},
      {"a-b.c_1 = 1", "a-b.c_1 = 1"},
      {"a = \"\\\"\\\\\\n\\x41\\u00e9\\101\"",
       "a = '\"\\\nA\xc3\xa9"
       "A'"},
      {"a = \"${ \"quoted\" {\n} } b\"", "a = '${ \"quoted\" {\n} } b'"},
      {"a = <<EOF\none\n  two\nEOF\n", "a = 'one\n  two\n'"},
      {"a = <<EOF\nEOF\n", "a = ''"},
      {"a = <<-EOF\n    one\n      two\n    EOF\n", "a = 'one\n  two\n'"},
      {"a = <<-EOF\n  one\n    EOF\n", "a = '  one\n'"},
      {"a = 1\r\nb = 2\r\n", "a = 1, b = 2"},
      {"a = [\"\xc3\xa9\"]", "a = ['\xc3\xa9']"},
  };
  for (const Case& c : cases) EXPECT_EQ(Parsed(c.text), c.parsed) << c.text;
}

TEST(Hcl, SaysWhatIsWrongAndWhere) {
  const Case cases[] = {
      {"path \"x\" {\n", "error: At 2:2: object expected closing RBRACE got: EOF"},
      {"path \"a\" = {}", "error: At 1:10: expected '{' behind the names of a block, found \"=\""},
      {"path $ {}", "error: At 1:6: illegal char"},
      {"= 1", "error: At 1:1: expected a name in front of the value, found \"=\""},
      {"{}}", "error: At 1:3: expected the end of the text behind the object"},
      {"a", "error: At 1:3: key 'a' expected start of object ('{') or assignment ('=')"},
      {"a { b }", "error: At 1:7: key 'b' expected start of object ('{') or assignment ('=')"},
      {"a { b ] }", "error: At 1:7: expected a name, '=' or '{', found \"]\""},
      {"a = b", "error: At 1:5: expected a value (strings stand in quotes), found \"b\""},
      {"a = ",
       "error: At 1:5: expected a value (strings stand in quotes), found the end of the text"},
      {"a = [1 2]", "error: At 1:8: expected ',' or ']' in a list, found \"2\""},
      {"a = [b]",
       "error: At 1:6: expected a value in a list (strings stand in quotes), found \"b\""},
      {"a = [{b}]", "error: At 1:8: key 'b' expected start of object ('{') or assignment ('=')"},
      {"a = \"x", "error: At 1:7: literal not terminated"},
      {"a = \"x\ny\"", "error: At 2:3: literal not terminated"},
      {"a = \"\\q\"", "error: At 1:7: illegal char escape"},
      {"a = \"\\u12\"", "error: At 1:9: illegal char escape"},
      {"a = <<EOF\nx", "error: At 2:2: heredoc not terminated"},
      {"a = <<E F\nx\nEF\n", "error: At 1:8: invalid characters in heredoc anchor"},
      {"a = <<\nx\n", "error: At 1:7: zero-length heredoc anchor"},
      {"a = <b", "error: At 1:6: heredoc expected second '<', didn't see it"},
      {"/* x", "error: At 1:5: comment not terminated"},
      {"/x", "error: At 1:1: expected '/' for comment"},
      {"a = 089", "error: At 1:8: illegal octal number"},
      {"a = 0x", "error: At 1:7: illegal hexadecimal number"},
      {"a = \"\xff\"", "error: At 1:6: illegal UTF-8 encoding"},
      {"{ {} }", "error: At 1:3: expected a member's name in quotes"},
      {"a = 1 a = 2",
       "error: The argument \"a\" at 1:7 was already set. Each argument can only be defined once"},
      {"\"a\" = 1 \"a\" = 2",
       "error: The argument \"\\\"a\\\"\" at 1:9 was already set. Each argument "
       "can only be defined once"},
  };
  for (const Case& c : cases) EXPECT_EQ(Parsed(c.text), c.parsed) << c.text;
}

TEST(Hcl, ReadsJsonAsTheBlocksThatItStandsFor) {
  const Case cases[] = {
      {"{}", ""},
      {R"({"a": {"b": {"c": 1}}})", "a b = {c = 1}"},
      {R"({"a": [{"b": {"c": 1}}, {"d": {"e": 2}}]})", "a b = {c = 1}, a d = {e = 2}"},
      {R"({"a": {"b": [{"c": 1}]}})", "a = {b = {c = 1}}"},
      {R"({"a": "x\/\u00e9\ud83d\ude00"})", "a = 'x/\xc3\xa9\xf0\x9f\x98\x80'"},
      {R"({"a": [1, -2.5e3, true, null, "x"]})", "a = [1 -2.5e3 true '' 'x']"},
      {"\n {\"a\": []}\n", "a = []"},
  };
  for (const Case& c : cases) EXPECT_EQ(Parsed(c.text), c.parsed) << c.text;
}

TEST(Hcl, RefusesJsonThatIsNone) {
  const Case cases[] = {
      {R"({"a": 1 "b": 2})", "error: At 1:9: expected ',' or '}'"},
      {R"({"a": 1,})", "error: At 1:9: expected a member's name in quotes"},
      {R"({"a": [1 2]})", "error: At 1:10: expected ',' or ']'"},
      {R"({"a": 01})", "error: At 1:7: numbers cannot start with 0"},
      {R"({"a": tru})", "error: At 1:10: illegal char"},
      {R"({"a": "\ud800"})", "error: At 1:14: half a surrogate pair"},
      {"{\"a\":\n 1", "error: At 2:3: expected ',' or '}'"},
      {"{\"a\": \"x\ny\"}", "error: At 1:9: literal not terminated"},
      {"{\"a\": \"\x01\"}", "error: At 1:8: control character in a string: write it as an escape"},
      {"{\"a\" 1}", "error: At 1:6: expected ':'"},
  };
  for (const Case& c : cases) EXPECT_EQ(Parsed(c.text), c.parsed) << c.text;
}

TEST(Hcl, NestingHasALimit) {
  const std::string lists(100'000, '[');
  EXPECT_EQ(Parsed(Concat({"a = ", lists})).find("error: "), 0u);
  EXPECT_EQ(Parsed(Concat({"{\"a\": ", lists})), "error: At 1:106: nested too deeply");
  std::string blocks;
  for (int i = 0; i < 100'000; ++i) blocks += "a {";
  EXPECT_EQ(Parsed(blocks), "error: At 1:303: nested too deeply");
}

TEST(Hcl, WhoAsksForItGetsRepeatsToo) {
  const absl::StatusOr<std::vector<Item>> items = Parse("a = 1 a = 2", Repeats::kKept);
  ASSERT_TRUE(items.ok());
  EXPECT_EQ(Dump(*items), "a = 1, a = 2");
}

TEST(Hcl, KnowsWhereThingsStand) {
  const absl::StatusOr<std::vector<Item>> items = Parse("a {}\n  b = \"x\"");
  ASSERT_TRUE(items.ok());
  EXPECT_EQ(ToText((*items)[0].assign), "-");
  EXPECT_EQ(ToText((*items)[1].keys[0].position), "2:3");
  EXPECT_EQ(ToText((*items)[1].assign), "2:5");
  EXPECT_EQ(ToText((*items)[1].value.position), "2:7");
}

}  // namespace
}  // namespace belfry::access::hcl
