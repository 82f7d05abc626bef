#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "server/access/hcl.h"
#include "server/access/hcl_cursor.h"

namespace belfry::access::hcl {

enum class TokenKind {
  kIllegal,
  kEnd,
  kIdentifier,
  kNumber,
  kFloat,
  kBool,
  kString,
  kHeredoc,
  kLeftBracket,
  kLeftBrace,
  kComma,
  kPeriod,
  kRightBracket,
  kRightBrace,
  kAssign,
  kAdd,
  kSub,
};

struct Token {
  TokenKind kind = TokenKind::kEnd;
  Position position;
  std::string_view text;  // As written, quotes and heredoc anchors included.
};

// Cuts a text into tokens, without comments. Line ends must be "\n"; the text must outlive the
// lexer and its tokens. Not thread-safe.
class Lexer {
 public:
  explicit Lexer(std::string_view text) : cursor_(text) {}

  Token Next();
  // The last error in the characters read so far.
  const std::optional<absl::Status>& error() const { return cursor_.error(); }

 private:
  TokenKind Scan(char32_t first);
  TokenKind ScanIdentifier();
  TokenKind ScanNumber(char32_t first);
  void ScanHexadecimal();
  TokenKind ScanFraction(char32_t next);
  void ScanExponent();
  char32_t SkipDigits();
  void ScanString();
  void ScanEscape();
  void ScanDigits(int already, int base, int count);
  void ScanHeredoc();
  bool ScanHeredocBody(std::string_view anchor);
  void SkipComment(char32_t first);
  void BackUnlessEnd(char32_t character);

  Cursor cursor_;
};

// What a string token says: escapes resolved, all in "${…}" as written. Nothing when an escape
// stands for no character.
std::optional<std::string> Unquote(std::string_view token);

// What a heredoc token says: its lines, with their indentation taken off when it begins with "<<-"
// and every line is indented as far as the end anchor.
std::string HeredocText(std::string_view token);

}  // namespace belfry::access::hcl
