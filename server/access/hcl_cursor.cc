#include "server/access/hcl_cursor.h"

#include <string>

#include "base/text.h"
#include "base/utf8.h"

namespace belfry::access::hcl {

char32_t Cursor::Next() {
  if (offset_ == text_.size()) {
    // Each look past the end counts as a column: the places in recorded errors do.
    ++at_.column;
    last_size_ = 0;
    return kEnd;
  }
  const Utf8Character next = FirstCharacter(text_.substr(offset_));
  before_ = at_;
  ++at_.column;
  offset_ += next.size;
  last_size_ = next.size;
  if (!next.valid) Fail("illegal UTF-8 encoding");
  if (next.code == 0) Fail("unexpected null character (0x00)");
  if (next.code == '\n') {
    last_line_length_ = at_.column;
    at_ = {at_.line + 1, 0};
  }
  return next.code;
}

void Cursor::Back() {
  offset_ -= last_size_;
  at_ = before_;
}

char32_t Cursor::Peek() const {
  return offset_ == text_.size() ? kEnd : FirstCharacter(text_.substr(offset_)).code;
}

Position Cursor::position() const {
  return at_.column > 0 ? at_ : Position{at_.line - 1, last_line_length_};
}

void Cursor::Fail(std::string_view what) {
  error_ = ErrorAt(position(), what);
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
