#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

#include "absl/status/status.h"
#include "server/access/hcl.h"

namespace belfry::access::hcl {

// Goes through a text character by character and knows where it is. Not thread-safe; the text must
// outlive it.
class Cursor {
 public:
  static constexpr char32_t kEnd = 0;

  explicit Cursor(std::string_view text) : text_(text) {}

  // The next character. What is not UTF-8 and a zero byte are errors.
  char32_t Next();
  // Puts the last character back. Only once, and not after kEnd.
  void Back();
  // The next character, without taking it.
  char32_t Peek() const;

  // Of the character taken last.
  Position position() const;
  std::size_t start() const { return offset_ - last_size_; }
  // Behind the character taken last.
  std::size_t end() const { return offset_; }
  std::string_view Slice(std::size_t from, std::size_t to) const {
    return text_.substr(from, to - from);
  }

  // Remembers an error in the characters; the last one stands.
  void Fail(std::string_view what);
  const std::optional<absl::Status>& error() const { return error_; }

 private:
  const std::string_view text_;
  std::size_t offset_ = 0;
  std::size_t last_size_ = 0;
  Position at_ = {1, 0};  // A column of 0: a line feed was the last character.
  Position before_ = {1, 0};
  int last_line_length_ = 0;
  std::optional<absl::Status> error_;
};

// The value of a digit up to 'f', or 16.
int DigitValue(char32_t character);

}  // namespace belfry::access::hcl
