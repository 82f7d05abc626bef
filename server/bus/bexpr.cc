#include "server/bus/bexpr.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "base/text.h"
#include "base/utf8.h"
#include "re2/re2.h"
#include "server/bus/bexpr_quotes.h"
#include "server/bus/bexpr_scanner.h"

namespace belfry::bus::bexpr {
namespace {

constexpr std::string_view kBlank = "[ \\t\\r\\n]";
constexpr std::string_view kLetter = "[a-zA-Z]";
constexpr std::string_view kWordCharacter = "[a-zA-Z0-9_/]";
constexpr std::string_view kDigit = "[0-9]";
constexpr std::string_view kFirstDigit = "[1-9]";
constexpr std::string_view kPointerCharacter = "[\\pL\\pN-_.~:|]";

bool IsBlank(char c) {
  return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

bool IsLetter(char c) {
  return absl::ascii_isalpha(static_cast<unsigned char>(c));
}

bool IsDigit(char c) {
  return absl::ascii_isdigit(static_cast<unsigned char>(c));
}

bool IsFirstDigit(char c) {
  return IsDigit(c) && c != '0';
}

bool IsWordCharacter(char c) {
  return IsLetter(c) || IsDigit(c) || c == '_' || c == '/';
}

bool IsPointerCharacter(char c) {
  constexpr std::string_view kMarks = "-_.~:|";
  return IsLetter(c) || IsDigit(c) || kMarks.find(c) != std::string_view::npos;
}

// Where the first byte is that begins no character, if there is one.
std::optional<std::size_t> FirstInvalid(std::string_view text) {
  for (std::size_t offset = 0; offset < text.size();) {
    const Utf8Character character = FirstCharacter(text.substr(offset));
    if (!character.valid) return offset;
    offset += character.size;
  }
  return std::nullopt;
}

// Follows the grammar rule by rule. Each method takes what it names, or takes nothing and is false;
// what it has written to its argument counts only when it is true. Where the grammar tries the same
// beginning twice, this reads it once: that makes time linear, and takes away no expectation that
// stands in a message, since those are of the furthest place.
class Parser {
 public:
  Parser(std::string_view text, const Limits& limits)
      : text_(text), max_depth_(limits.max_filter_depth), scanner_(text) {}

  absl::StatusOr<Expression> Parse() {
    Expression expression;
    TakeBlanks();
    bool whole = TakeOr(&expression);
    TakeBlanks();
    whole = whole && scanner_.TakeEnd();
    if (too_deep_) return ErrorAt(text_, *too_deep_, "nested too deeply");
    if (!whole || scanner_.failed()) return scanner_.Error();
    return expression;
  }

 private:
  using Rule = bool (Parser::*)(Expression*);

  bool TakeBlanks() { return scanner_.TakeRun(kBlank, &IsBlank); }

  bool TakeOr(Expression* expression) {
    return TakeChain(Expression::Kind::kOr, "or", &Parser::TakeAnd, expression);
  }
  bool TakeAnd(Expression* expression) {
    return TakeChain(Expression::Kind::kAnd, "and", &Parser::TakeNot, expression);
  }

  // Operands with a word between them; one alone is itself.
  bool TakeChain(Expression::Kind kind, std::string_view word, Rule operand,
                 Expression* expression) {
    Expression first;
    if (!(this->*operand)(&first)) return false;
    Expression chain{.kind = kind};
    for (;;) {
      const std::size_t start = scanner_.offset();
      Expression next;
      if (!TakeBlanks() || !scanner_.Take(word) || !TakeBlanks() || !(this->*operand)(&next)) {
        scanner_.Return(start);
        break;
      }
      if (chain.operands.empty()) chain.operands.push_back(std::move(first));
      chain.operands.push_back(std::move(next));
    }
    *expression = std::move(chain.operands.empty() ? first : chain);
    return true;
  }

  bool TakeNot(Expression* expression) {
    const std::size_t start = scanner_.offset();
    Expression operand;
    if (scanner_.Take("not") && TakeBlanks() && TakeDeeper(&Parser::TakeNot, start, &operand)) {
      *expression = Negated(std::move(operand));
      return true;
    }
    scanner_.Return(start);
    return TakeGroup(expression);
  }

  static Expression Negated(Expression operand) {
    if (operand.kind == Expression::Kind::kNot) return std::move(operand.operands.front());
    Expression expression{.kind = Expression::Kind::kNot};
    expression.operands.push_back(std::move(operand));
    return expression;
  }

  bool TakeDeeper(Rule rule, std::size_t start, Expression* expression) {
    if (depth_ == max_depth_) too_deep_ = start;
    if (too_deep_) return false;
    ++depth_;
    const bool taken = (this->*rule)(expression);
    --depth_;
    return taken;
  }

  bool TakeGroup(Expression* expression) {
    const std::size_t start = scanner_.offset();
    if (!scanner_.Take("(")) return TakeComparison(expression);
    TakeBlanks();
    if (TakeDeeper(&Parser::TakeOr, start, expression)) {
      TakeBlanks();
      if (scanner_.Take(")")) return true;
      scanner_.Fail(scanner_.offset(), "grouping", "Unmatched parentheses");
    }
    scanner_.Return(start);
    return false;
  }

  bool TakeComparison(Expression* expression) {
    const std::size_t start = scanner_.offset();
    Comparison& comparison = expression->comparison;
    *expression = {};
    if (TakeSelector(&comparison.selector)) {
      const std::size_t after = scanner_.offset();
      if (TakeValueOperator(&comparison) && TakeValue(&comparison.value)) return true;
      scanner_.Return(after);
      if (TakeEmptiness(&comparison)) return true;
      scanner_.Return(start);
    }
    if (TakeValue(&comparison.value) && TakeMembership(&comparison)) {
      if (TakeSelector(&comparison.selector)) return true;
      scanner_.Fail(scanner_.offset(), "match", "Invalid selector");
    }
    scanner_.Return(start);
    return false;
  }

  bool TakeValueOperator(Comparison* comparison) {
    return TakeSign("==", Operator::kEqual, comparison) ||
           TakeSign("!=", Operator::kEqual, comparison) ||
           TakePhrase("contains", Operator::kContains, comparison) ||
           TakePhrase("not contains", Operator::kContains, comparison) ||
           TakePhrase("matches", Operator::kMatches, comparison) ||
           TakePhrase("not matches", Operator::kMatches, comparison);
  }

  bool TakeMembership(Comparison* comparison) {
    return TakePhrase("in", Operator::kContains, comparison) ||
           TakePhrase("not in", Operator::kContains, comparison);
  }

  bool TakeEmptiness(Comparison* comparison) {
    comparison->operation = Operator::kIsEmpty;
    comparison->negated = false;
    comparison->value = {};
    if (TakeWords("is empty")) return true;
    comparison->negated = true;
    return TakeWords("is not empty");
  }

  bool TakeSign(std::string_view sign, Operator operation, Comparison* comparison) {
    const std::size_t start = scanner_.offset();
    TakeBlanks();
    if (!scanner_.Take(sign)) {
      scanner_.Return(start);
      return false;
    }
    TakeBlanks();
    comparison->operation = operation;
    comparison->negated = sign == "!=";
    return true;
  }

  // Words with blanks around them.
  bool TakePhrase(std::string_view phrase, Operator operation, Comparison* comparison) {
    const std::size_t start = scanner_.offset();
    if (!TakeWords(phrase) || !TakeBlanks()) {
      scanner_.Return(start);
      return false;
    }
    comparison->operation = operation;
    comparison->negated = phrase.starts_with("not ");
    return true;
  }

  // Words with blanks before them.
  bool TakeWords(std::string_view words) {
    const std::size_t start = scanner_.offset();
    for (const absl::string_view word : absl::StrSplit(ToAbsl(words), ' ')) {
      if (TakeBlanks() && scanner_.Take(ToStd(word))) continue;
      scanner_.Return(start);
      return false;
    }
    return true;
  }

  // `a.b`, `a["b"]`, or between double quotes a JSON pointer.
  bool TakeSelector(Selector* selector) {
    *selector = {.path = {}, .offset = scanner_.offset()};
    return TakePath(&selector->path) || TakePointer(&selector->path);
  }

  bool TakePath(std::vector<std::string>* path) {
    std::string part;
    if (!TakeWord(&part)) return false;
    do {
      path->push_back(std::move(part));
    } while (TakePart(&part));
    return true;
  }

  bool TakeWord(std::string* word) {
    const std::size_t start = scanner_.offset();
    if (!scanner_.TakeOne(kLetter, &IsLetter)) return false;
    scanner_.TakeRun(kWordCharacter, &IsWordCharacter);
    *word = TextSince(start);
    return true;
  }

  bool TakePart(std::string* part) {
    const std::size_t start = scanner_.offset();
    if (!scanner_.Take(".")) return TakeIndex(part);
    if (TakeWord(part) || TakeDigits(part)) return true;
    scanner_.Return(start);
    return false;
  }

  bool TakeDigits(std::string* digits) {
    const std::size_t start = scanner_.offset();
    if (!scanner_.TakeRun(kDigit, &IsDigit)) return false;
    *digits = TextSince(start);
    return true;
  }

  bool TakeIndex(std::string* part) {
    const std::size_t start = scanner_.offset();
    if (!scanner_.Take("[")) return false;
    TakeBlanks();
    if (!TakeString(part)) {
      scanner_.Fail(scanner_.offset(), "index", "Invalid index");
    } else {
      TakeBlanks();
      if (scanner_.Take("]")) return true;
      scanner_.Fail(scanner_.offset(), "index", "Unclosed index expression");
    }
    scanner_.Return(start);
    return false;
  }

  bool TakePointer(std::vector<std::string>* path) {
    const std::size_t start = scanner_.offset();
    path->clear();
    if (!scanner_.Take("\"")) return false;
    while (TakeSegment(path)) continue;
    if (!scanner_.Take("\"")) {
      scanner_.Return(start);
      return false;
    }
    if (path->empty()) path->emplace_back();
    return true;
  }

  bool TakeSegment(std::vector<std::string>* path) {
    const std::size_t start = scanner_.offset();
    if (!scanner_.Take("/")) return false;
    const std::size_t name = scanner_.offset();
    if (!scanner_.TakeRun(kPointerCharacter, PointerRun(scanner_.rest()))) {
      scanner_.Return(start);
      return false;
    }
    path->push_back(
        absl::StrReplaceAll(absl::StrReplaceAll(TextSince(name), {{"~1", "/"}}), {{"~0", "~"}}));
    return true;
  }

  // How many bytes at the front belong to a segment of a pointer.
  std::size_t PointerRun(std::string_view text) {
    const auto end = std::find_if_not(text.begin(), text.end(), &IsPointerCharacter);
    const auto ascii = static_cast<std::size_t>(end - text.begin());
    if (end == text.end() || static_cast<unsigned char>(*end) < 0x80) return ascii;
    if (!pointer_characters_) {
      pointer_characters_ = std::make_unique<const RE2>("[\\pL\\pN\\-_.~:|]*");
    }
    re2::StringPiece left(text.data(), text.size());
    RE2::Consume(&left, *pointer_characters_);
    return text.size() - left.size();
  }

  bool TakeValue(Value* value) {
    value->offset = scanner_.offset();
    std::vector<std::string> path;
    if (TakePath(&path)) {
      value->text = absl::StrJoin(path, ".");
      return true;
    }
    if (TakePointer(&path)) {
      value->text = absl::StrJoin(path, "/");
      return true;
    }
    return TakeNumber(&value->text) || TakeString(&value->text);
  }

  bool TakeNumber(std::string* number) {
    const std::size_t start = scanner_.offset();
    scanner_.Take("-");
    if (TakeUnsigned()) {
      if (IsAfterNumber()) {
        *number = TextSince(start);
        return true;
      }
      scanner_.Fail(scanner_.offset(), "number", "Invalid number literal");
    }
    scanner_.Return(start);
    return false;
  }

  bool TakeUnsigned() {
    if (!scanner_.Take("0")) {
      if (!scanner_.TakeOne(kFirstDigit, &IsFirstDigit)) return false;
      scanner_.TakeRun(kDigit, &IsDigit);
    }
    const std::size_t end = scanner_.offset();
    if (scanner_.Take(".") && !scanner_.TakeRun(kDigit, &IsDigit)) scanner_.Return(end);
    return true;
  }

  // Whether what may follow a number is next; takes nothing.
  bool IsAfterNumber() {
    const std::size_t start = scanner_.offset();
    const bool follows = TakeBlanks() || scanner_.TakeEnd() || scanner_.Take(")");
    scanner_.Return(start);
    return follows;
  }

  bool TakeString(std::string* said) {
    const std::size_t start = scanner_.offset();
    for (const std::string_view quote : {"`", "\""}) {
      if (!scanner_.Take(quote)) continue;
      const std::size_t length = scanner_.rest().find(quote);
      if (length == std::string_view::npos) {
        scanner_.Fail(text_.size(), "string", "Unterminated string literal");
        scanner_.Return(start);
        return false;
      }
      const std::string_view inside = scanner_.rest().substr(0, length);
      scanner_.Skip(length + 1);
      std::optional<std::string> text = quote == "`" ? Unquoted(inside) : Unescaped(inside);
      if (!text) scanner_.Fail(start, "string", "invalid syntax");
      *said = std::move(text).value_or("");
      return true;
    }
    return false;
  }

  std::string TextSince(std::size_t start) const {
    return std::string(text_.substr(start, scanner_.offset() - start));
  }

  const std::string_view text_;
  const int max_depth_;
  Scanner scanner_;
  int depth_ = 0;
  std::optional<std::size_t> too_deep_;
  std::unique_ptr<const RE2> pointer_characters_;  // Made when it is needed.
};

}  // namespace

absl::StatusOr<Expression> Parse(std::string_view text, const Limits& limits) {
  if (const std::optional<std::size_t> invalid = FirstInvalid(text)) {
    return ErrorAt(text, *invalid, "invalid encoding");
  }
  return Parser(text, limits).Parse();
}

}  // namespace belfry::bus::bexpr
