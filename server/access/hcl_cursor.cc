#include "server/access/hcl_cursor.h"

#include <string>

#include "server/base/text.h"

namespace belfry::access::hcl {
namespace {

constexpr char32_t kReplacement = 0xFFFD;

struct Decoded {
  char32_t character;
  std::size_t size;
  bool valid = true;
};

bool IsScalar(char32_t character) {
  return character <= 0x10FFFF && (character < 0xD800 || character > 0xDFFF);
}

// The first character of a text that is not empty.
Decoded Decode(std::string_view text) {
  const auto first = static_cast<unsigned char>(text[0]);
  if (first < 0x80) return {first, 1};
  const std::size_t size = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  constexpr char32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
  if (first < 0xC2 || first > 0xF4 || text.size() < size) return {kReplacement, 1, false};
  char32_t character = first & (0xFFu >> (size + 1));
  for (std::size_t i = 1; i < size; ++i) {
    const auto next = static_cast<unsigned char>(text[i]);
    if ((next & 0xC0) != 0x80) return {kReplacement, 1, false};
    character = character << 6 | (next & 0x3F);
  }
  if (character < kSmallest[size] || !IsScalar(character)) return {kReplacement, 1, false};
  return {character, size};
}

}  // namespace

char32_t Cursor::Next() {
  if (offset_ == text_.size()) {
    // Each look past the end counts as a column: the places in recorded errors do.
    ++at_.column;
    last_size_ = 0;
    return kEnd;
  }
  const Decoded next = Decode(text_.substr(offset_));
  before_ = at_;
  ++at_.column;
  offset_ += next.size;
  last_size_ = next.size;
  if (!next.valid) Fail("illegal UTF-8 encoding");
  if (next.character == 0) Fail("unexpected null character (0x00)");
  if (next.character == '\n') {
    last_line_length_ = at_.column;
    at_ = {at_.line + 1, 0};
  }
  return next.character;
}

void Cursor::Back() {
  offset_ -= last_size_;
  at_ = before_;
}

char32_t Cursor::Peek() const {
  return offset_ == text_.size() ? kEnd : Decode(text_.substr(offset_)).character;
}

Position Cursor::position() const {
  return at_.column > 0 ? at_ : Position{at_.line - 1, last_line_length_};
}

void Cursor::Fail(std::string_view what) {
  error_ = ErrorAt(position(), what);
}

void AppendUtf8(char32_t character, std::string* text) {
  if (!IsScalar(character)) character = kReplacement;
  if (character < 0x80) {
    *text += static_cast<char>(character);
    return;
  }
  const int following = character >= 0x10000 ? 3 : character >= 0x800 ? 2 : 1;
  *text += static_cast<char>((0xFF00 >> (following + 1) & 0xFF) | character >> (6 * following));
  for (int i = following - 1; i >= 0; --i) {
    *text += static_cast<char>(0x80 | (character >> (6 * i) & 0x3F));
  }
}

int DigitValue(char32_t character) {
  if (character >= '0' && character <= '9') return static_cast<int>(character - '0');
  if (character >= 'a' && character <= 'f') return static_cast<int>(character - 'a' + 10);
  if (character >= 'A' && character <= 'F') return static_cast<int>(character - 'A' + 10);
  return 16;
}

std::string ToText(Position position) {
  if (position.line == 0) return "-";
  return Concat({std::to_string(position.line), ":", std::to_string(position.column)});
}

absl::Status ErrorAt(Position position, std::string_view what) {
  return absl::InvalidArgumentError(Concat({"At ", ToText(position), ": ", what}));
}

}  // namespace belfry::access::hcl
