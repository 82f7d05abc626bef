#include "server/access/hcl_lexer.h"

#include "base/utf8.h"

namespace belfry::access::hcl {
namespace {

constexpr char32_t kEnd = Cursor::kEnd;

bool IsDecimal(char32_t c) {
  return c >= '0' && c <= '9';
}

bool IsLetter(char32_t c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

bool IsBlank(char32_t c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

bool IsExponent(char32_t c) {
  return c == 'e' || c == 'E';
}

// Whether a line ends a heredoc: the anchor, perhaps indented.
bool IsAnchorLine(std::string_view line, std::string_view anchor) {
  const bool indented = anchor.starts_with('-');
  // The dash counts here: an anchor of "<<-" must be indented by at least one character.
  if (line.size() < anchor.size()) return false;
  if (indented) anchor.remove_prefix(1);
  while (line.ends_with('\r')) line.remove_suffix(1);
  if (!line.ends_with(anchor)) return false;
  line.remove_suffix(anchor.size());
  return line.find_first_not_of(" \t\n\v\f\r") == std::string_view::npos;
}

// Takes `count` digits of `base` off the front of the text.
std::optional<char32_t> TakeDigits(int base, std::size_t count, std::string_view* text) {
  if (text->size() < count) return std::nullopt;
  char32_t value = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const int digit = DigitValue(static_cast<unsigned char>((*text)[i]));
    if (digit >= base) return std::nullopt;
    value = value * static_cast<char32_t>(base) + static_cast<char32_t>(digit);
  }
  text->remove_prefix(count);
  return value;
}

// Takes an escape without its backslash off the front of the text and says it.
bool TakeEscape(std::string_view* text, std::string* said) {
  constexpr std::string_view kNames = "abfnrtv\\\"";
  constexpr std::string_view kMeanings = "\a\b\f\n\r\t\v\\\"";
  if (text->empty()) return false;
  const char name = text->front();
  if (const std::size_t at = kNames.find(name); at != std::string_view::npos) {
    *said += kMeanings[at];
    text->remove_prefix(1);
    return true;
  }
  if (IsDecimal(static_cast<unsigned char>(name))) {
    const std::optional<char32_t> byte = TakeDigits(8, 3, text);
    if (!byte || *byte > 0xFF) return false;
    *said += static_cast<char>(*byte);
    return true;
  }
  text->remove_prefix(1);
  if (name == 'x') {
    const std::optional<char32_t> byte = TakeDigits(16, 2, text);
    if (byte) *said += static_cast<char>(*byte);
    return byte.has_value();
  }
  if (name != 'u' && name != 'U') return false;
  const std::optional<char32_t> character = TakeDigits(16, name == 'u' ? 4 : 8, text);
  if (!character || *character > 0x10FFFF) return false;
  AppendUtf8(*character, said);
  return true;
}

// The length of the "${…}" at the front of the text.
std::optional<std::size_t> InterpolationSize(std::string_view text) {
  int braces = 1;
  for (std::size_t i = 2; i < text.size(); ++i) {
    if (text[i] == '{') ++braces;
    if (text[i] == '}' && --braces == 0) return i + 1;
  }
  return std::nullopt;
}

std::string WithoutIndent(std::string_view body, std::string_view indent) {
  std::string text;
  while (!body.empty()) {
    const std::string_view line = body.substr(0, body.find('\n') + 1);
    text += line.substr(indent.size());
    body.remove_prefix(line.size());
  }
  return text;
}

bool EveryLineStartsWith(std::string_view body, std::string_view indent) {
  while (!body.empty()) {
    if (!body.starts_with(indent)) return false;
    body.remove_prefix(body.find('\n') + 1);
  }
  return true;
}

}  // namespace

Token Lexer::Next() {
  for (;;) {
    char32_t c = cursor_.Next();
    while (IsBlank(c)) c = cursor_.Next();
    const Position position = cursor_.position();
    const std::size_t start = cursor_.start();
    if (c == '#' || c == '/') {
      SkipComment(c);
      continue;
    }
    const TokenKind kind = Scan(c);
    return {kind, position, cursor_.Slice(start, cursor_.end())};
  }
}

TokenKind Lexer::Scan(char32_t first) {
  if (IsLetter(first)) return ScanIdentifier();
  if (IsDecimal(first)) return ScanNumber(first);
  switch (first) {
    case kEnd:
      return TokenKind::kEnd;
    case '"':
      ScanString();
      return TokenKind::kString;
    case '<':
      ScanHeredoc();
      return TokenKind::kHeredoc;
    case '[':
      return TokenKind::kLeftBracket;
    case ']':
      return TokenKind::kRightBracket;
    case '{':
      return TokenKind::kLeftBrace;
    case '}':
      return TokenKind::kRightBrace;
    case ',':
      return TokenKind::kComma;
    case '=':
      return TokenKind::kAssign;
    case '+':
      return TokenKind::kAdd;
    case '.':
      return IsDecimal(cursor_.Peek()) ? ScanFraction('.') : TokenKind::kPeriod;
    case '-':
      return IsDecimal(cursor_.Peek()) ? ScanNumber(cursor_.Next()) : TokenKind::kSub;
    default:
      cursor_.Fail("illegal char");
      return TokenKind::kIllegal;
  }
}

void Lexer::BackUnlessEnd(char32_t character) {
  if (character != kEnd) cursor_.Back();
}

TokenKind Lexer::ScanIdentifier() {
  const std::size_t start = cursor_.start();
  char32_t c = cursor_.Next();
  while (IsLetter(c) || IsDecimal(c) || c == '-' || c == '.') c = cursor_.Next();
  BackUnlessEnd(c);
  const std::string_view text = cursor_.Slice(start, cursor_.end());
  return text == "true" || text == "false" ? TokenKind::kBool : TokenKind::kIdentifier;
}

char32_t Lexer::SkipDigits() {
  char32_t c = cursor_.Next();
  while (IsDecimal(c)) c = cursor_.Next();
  return c;
}

TokenKind Lexer::ScanNumber(char32_t first) {
  const std::size_t start = cursor_.start();
  if (first == '0' && (cursor_.Peek() == 'x' || cursor_.Peek() == 'X')) {
    ScanHexadecimal();
    return TokenKind::kNumber;
  }
  const char32_t c = SkipDigits();
  if (c == '.') return ScanFraction(c);
  if (IsExponent(c)) {
    ScanExponent();
    return TokenKind::kFloat;
  }
  BackUnlessEnd(c);
  const std::string_view digits = cursor_.Slice(start, cursor_.end());
  if (first == '0' && digits.find_first_of("89") != std::string_view::npos) {
    cursor_.Fail("illegal octal number");
  }
  return TokenKind::kNumber;
}

void Lexer::ScanHexadecimal() {
  cursor_.Next();
  char32_t c = cursor_.Next();
  if (DigitValue(c) >= 16) cursor_.Fail("illegal hexadecimal number");
  while (DigitValue(c) < 16) c = cursor_.Next();
  BackUnlessEnd(c);
}

// What follows the point that was just read.
TokenKind Lexer::ScanFraction(char32_t) {
  const char32_t c = SkipDigits();
  if (IsExponent(c)) {
    ScanExponent();
  } else {
    BackUnlessEnd(c);
  }
  return TokenKind::kFloat;
}

// What follows the 'e' that was just read.
void Lexer::ScanExponent() {
  if (cursor_.Peek() == '-' || cursor_.Peek() == '+') cursor_.Next();
  if (!IsDecimal(cursor_.Peek())) cursor_.Fail("illegal exponent");
  BackUnlessEnd(SkipDigits());
}

void Lexer::ScanString() {
  int braces = 0;
  for (;;) {
    const char32_t c = cursor_.Next();
    if (c == kEnd || (c == '\n' && braces == 0)) return cursor_.Fail("literal not terminated");
    if (c == '"' && braces == 0) return;
    if (braces == 0 && c == '$' && cursor_.Peek() == '{') {
      cursor_.Next();
      braces = 1;
    } else if (braces > 0 && c == '{') {
      ++braces;
    } else if (braces > 0 && c == '}') {
      --braces;
    } else if (c == '\\') {
      ScanEscape();
    }
  }
}

void Lexer::ScanEscape() {
  const char32_t c = cursor_.Next();
  constexpr std::u32string_view kSimple = U"abfnrtv\\\"";
  if (c != kEnd && kSimple.find(c) != std::u32string_view::npos) return;
  if (c >= '0' && c <= '7') return ScanDigits(1, 8, 3);
  if (c == 'x') return ScanDigits(0, 16, 2);
  if (c == 'u') return ScanDigits(0, 16, 4);
  if (c == 'U') return ScanDigits(0, 16, 8);
  cursor_.Fail("illegal char escape");
}

void Lexer::ScanDigits(int already, int base, int count) {
  for (int i = already; i < count; ++i) {
    if (DigitValue(cursor_.Peek()) >= base) return cursor_.Fail("illegal char escape");
    cursor_.Next();
  }
}

void Lexer::ScanHeredoc() {
  if (cursor_.Next() != '<') return cursor_.Fail("heredoc expected second '<', didn't see it");
  const std::size_t start = cursor_.end();
  char32_t c = cursor_.Next();
  if (c == '-') c = cursor_.Next();
  while (IsLetter(c) || IsDecimal(c)) c = cursor_.Next();
  if (c == kEnd) return cursor_.Fail("heredoc not terminated");
  if (c != '\n') return cursor_.Fail("invalid characters in heredoc anchor");
  const std::string_view anchor = cursor_.Slice(start, cursor_.start());
  if (anchor.empty() || anchor == "-") return cursor_.Fail("zero-length heredoc anchor");
  if (!ScanHeredocBody(anchor)) cursor_.Fail("heredoc not terminated");
}

bool Lexer::ScanHeredocBody(std::string_view anchor) {
  std::size_t line_start = cursor_.end();
  for (char32_t c = cursor_.Next(); c != kEnd; c = cursor_.Next()) {
    if (c != '\n') continue;
    if (IsAnchorLine(cursor_.Slice(line_start, cursor_.start()), anchor)) return true;
    line_start = cursor_.end();
  }
  return false;
}

void Lexer::SkipComment(char32_t first) {
  if (first == '#' || cursor_.Peek() == '/') {
    char32_t c = cursor_.Next();
    while (c != '\n' && c != kEnd) c = cursor_.Next();
    BackUnlessEnd(c);
    return;
  }
  if (cursor_.Peek() != '*') return cursor_.Fail("expected '/' for comment");
  cursor_.Next();
  char32_t before = cursor_.Next();
  for (; before != kEnd;) {
    const char32_t c = cursor_.Next();
    if (before == '*' && c == '/') return;
    before = c;
  }
  cursor_.Fail("comment not terminated");
}

std::optional<std::string> Unquote(std::string_view token) {
  std::string said;
  if (token.size() < 2 || !token.ends_with('"')) return std::nullopt;
  std::string_view text = token.substr(1, token.size() - 2);
  while (!text.empty()) {
    if (text.starts_with("${")) {
      const std::optional<std::size_t> size = InterpolationSize(text);
      if (!size) return std::nullopt;
      said += text.substr(0, *size);
      text.remove_prefix(*size);
      continue;
    }
    const char c = text.front();
    if (c == '\n' || c == '"') return std::nullopt;
    text.remove_prefix(1);
    if (c != '\\') {
      said += c;
    } else if (!TakeEscape(&text, &said)) {
      return std::nullopt;
    }
  }
  return said;
}

std::string HeredocText(std::string_view token) {
  const std::size_t head = token.find('\n');
  const bool indented = token.starts_with("<<-");
  const std::size_t anchor_size = head - (indented ? 3 : 2);
  // Whatever stands before the end anchor, the indentation of the anchor included.
  const std::string_view text = token.substr(head + 1, token.size() - head - 2 - anchor_size);
  if (!indented) return std::string(text);
  const std::size_t last_line = text.rfind('\n') + 1;
  const std::string_view body = text.substr(0, last_line);
  const std::string_view indent = text.substr(last_line);
  if (EveryLineStartsWith(body, indent)) return WithoutIndent(body, indent);
  return std::string(text.substr(0, text.find_last_not_of(" \t") + 1));
}

}  // namespace belfry::access::hcl
