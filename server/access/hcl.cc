#include "server/access/hcl.h"

#include <set>
#include <utility>

#include "base/text.h"
#include "server/access/hcl_json.h"
#include "server/access/hcl_lexer.h"

namespace belfry::access::hcl {
namespace {

// A token, as an error names it.
std::string Found(const Token& token) {
  constexpr std::size_t kMost = 40;
  if (token.kind == TokenKind::kEnd) return "the end of the text";
  if (token.text.size() <= kMost) return Quoted(token.text);
  return Concat({"a text of ", std::to_string(token.text.size()), " bytes"});
}

// One token of look-ahead, as little memory as HashiCorp's parser has, so that errors at the end
// of the text have the same place. Every method is false when it has left an error.
class Parser {
 public:
  Parser(std::string_view text, Repeats repeats) : lexer_(text), repeats_(repeats) {}

  absl::StatusOr<std::vector<Item>> Parse() {
    std::vector<Item> items;
    const bool read = ReadItems(Place::kTop, &items);
    // What is wrong with the characters explains what is wrong with the tokens.
    if (lexer_.error()) return *lexer_.error();
    if (!read) return error_;
    return items;
  }

 private:
  enum class Place { kTop, kObject };

  const Token& Scan() {
    if (!std::exchange(again_, false)) token_ = lexer_.Next();
    return token_;
  }
  void Unscan() { again_ = true; }

  bool Fail(Position position, std::string_view what) {
    error_ = ErrorAt(position, what);
    return false;
  }
  // Instead of the token that was just read.
  bool Expected(std::string_view what) {
    return Fail(token_.position, Concat({"expected ", what, ", found ", Found(token_)}));
  }

  // Up to the end of the text, or a brace that stays for the caller.
  bool ReadItems(Place place, std::vector<Item>* items) {
    std::set<std::string, std::less<>> seen;
    for (;;) {
      const TokenKind next = Scan().kind;
      if (next == TokenKind::kEnd) return true;
      Unscan();
      if (place == Place::kObject && next == TokenKind::kRightBrace) return true;
      Item item;
      std::string_view written;
      if (!ReadItem(&item, &written)) return false;
      if (repeats_ == Repeats::kRefused && item.assign.line != 0 && !seen.emplace(written).second) {
        return FailTwice(written, item.keys.front().position);
      }
      items->push_back(std::move(item));
      if (Scan().kind != TokenKind::kComma) Unscan();
    }
  }

  // The text is part of the protocol: tools look for it. (vault-api-and-events 5.1)
  bool FailTwice(std::string_view written, Position position) {
    std::string quoted;
    for (const char c : written)
      quoted += c == '"' || c == '\\' ? Concat({"\\", {&c, 1}}) : std::string(1, c);
    error_ = absl::InvalidArgumentError(
        Concat({"The argument \"", quoted, "\" at ", ToText(position),
                " was already set. Each argument can only be defined once"}));
    return false;
  }

  bool ReadItem(Item* item, std::string_view* written) {
    std::string names;
    for (;;) {
      const Token token = Scan();
      if (token.kind == TokenKind::kAssign) return ReadAssigned(item);
      if (token.kind == TokenKind::kLeftBrace) {
        if (item->keys.empty()) return Expected("a name in front of the block");
        return ReadObject(&item->value);
      }
      if (token.kind != TokenKind::kIdentifier && token.kind != TokenKind::kString) {
        return FailKey(names, token);
      }
      *written = token.text;
      names += Concat({names.empty() ? "" : " ", token.text});
      if (!ReadKey(token, item)) return false;
    }
  }

  bool FailKey(std::string_view names, const Token& token) {
    if (!names.empty() && (token.kind == TokenKind::kEnd || token.kind == TokenKind::kRightBrace)) {
      return Fail(token.position,
                  Concat({"key '", names, "' expected start of object ('{') or assignment ('=')"}));
    }
    if (token.kind == TokenKind::kIllegal) return Fail(token.position, "illegal character");
    return Expected("a name, '=' or '{'");
  }

  bool ReadKey(const Token& token, Item* item) {
    std::optional<std::string> text =
        token.kind == TokenKind::kString ? Unquote(token.text) : std::string(token.text);
    if (!text) return Fail(token.position, "invalid string literal");
    item->keys.push_back({*std::move(text), token.position});
    return true;
  }

  bool ReadAssigned(Item* item) {
    if (item->keys.empty()) return Expected("a name in front of the value");
    if (item->keys.size() > 1) return Expected("'{' behind the names of a block");
    item->assign = token_.position;
    const Token token = Scan();
    if (token.kind == TokenKind::kLeftBrace) return ReadObject(&item->value);
    if (token.kind == TokenKind::kLeftBracket) return ReadList(&item->value);
    if (IsLiteral(token.kind)) return ReadLiteral(token, &item->value);
    return Expected("a value (strings stand in quotes)");
  }

  static bool IsLiteral(TokenKind kind) {
    return kind == TokenKind::kNumber || kind == TokenKind::kFloat || kind == TokenKind::kBool ||
           kind == TokenKind::kString || kind == TokenKind::kHeredoc;
  }

  bool ReadLiteral(const Token& token, Value* value) {
    value->position = token.position;
    value->text = std::string(token.text);
    if (token.kind == TokenKind::kNumber) value->kind = Value::Kind::kNumber;
    if (token.kind == TokenKind::kFloat) value->kind = Value::Kind::kFloat;
    if (token.kind == TokenKind::kBool) value->kind = Value::Kind::kBool;
    // Its text is only whole when the characters were right.
    if (lexer_.error()) return true;
    if (token.kind == TokenKind::kHeredoc) value->text = HeredocText(token.text);
    if (token.kind != TokenKind::kString) return true;
    std::optional<std::string> text = Unquote(token.text);
    if (!text) return Fail(token.position, "invalid string literal");
    value->text = *std::move(text);
    return true;
  }

  // Behind the brace that was just read.
  bool ReadObject(Value* value) {
    value->kind = Value::Kind::kObject;
    value->position = token_.position;
    if (!Enter()) return false;
    if (!ReadItems(Place::kObject, &value->object)) return false;
    --depth_;
    if (Scan().kind == TokenKind::kRightBrace) return true;
    // The items go up to a brace or to the end. These are Vault's words.
    return Fail(token_.position, "object expected closing RBRACE got: EOF");
  }

  // Behind the bracket that was just read.
  bool ReadList(Value* value) {
    value->kind = Value::Kind::kList;
    value->position = token_.position;
    if (!Enter()) return false;
    bool need_comma = false;
    for (;;) {
      const Token token = Scan();
      if (token.kind == TokenKind::kRightBracket) break;
      if (token.kind == TokenKind::kComma) {
        need_comma = false;
        continue;
      }
      if (need_comma) return Expected("',' or ']' in a list");
      if (!ReadElement(token, &value->list.emplace_back())) return false;
      need_comma = token.kind != TokenKind::kLeftBracket;
    }
    --depth_;
    return true;
  }

  bool ReadElement(const Token& token, Value* value) {
    if (IsLiteral(token.kind)) return ReadLiteral(token, value);
    if (token.kind == TokenKind::kLeftBrace) return ReadObject(value);
    if (token.kind == TokenKind::kLeftBracket) return ReadList(value);
    return Expected("a value in a list (strings stand in quotes)");
  }

  bool Enter() { return ++depth_ <= kMaxDepth || Fail(token_.position, "nested too deeply"); }

  Lexer lexer_;
  const Repeats repeats_;
  Token token_;
  bool again_ = false;
  int depth_ = 0;
  absl::Status error_;
};

std::string WithLineFeeds(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text.substr(i, 2) != "\r\n") result += text[i];
  }
  return result;
}

}  // namespace

std::string Quoted(std::string_view text) {
  constexpr std::string_view kSpecial = "\a\b\f\n\r\t\v\\\"";
  constexpr std::string_view kNames = "abfnrtv\\\"";
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string quoted = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (const std::size_t at = kSpecial.find(c); at != std::string_view::npos) {
      quoted += Concat({"\\", kNames.substr(at, 1)});
    } else if (byte < 0x20 || byte == 0x7F) {
      quoted += Concat({"\\x", kHex.substr(byte >> 4, 1), kHex.substr(byte & 15, 1)});
    } else {
      quoted += c;
    }
  }
  return quoted + "\"";
}

absl::StatusOr<std::vector<Item>> Parse(std::string_view text, Repeats repeats) {
  const std::size_t first = text.find_first_not_of(" \t\n\v\f\r");
  if (first != std::string_view::npos && text[first] == '{') return ParseJson(text);
  const std::string source = WithLineFeeds(text);
  return Parser(source, repeats).Parse();
}

}  // namespace belfry::access::hcl
