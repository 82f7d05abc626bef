#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

namespace belfry::bus::bexpr {

// Goes through a text, forwards and back again, and remembers what would have led on from the
// furthest place it has seen. Not thread-safe; the text, and every name and literal that it is
// given, must outlive it.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  std::size_t offset() const { return offset_; }
  std::string_view rest() const { return text_.substr(offset_); }
  void Return(std::size_t offset) { offset_ = offset; }

  // Each of these takes what it names, or takes nothing and is false.
  bool Take(std::string_view literal);
  bool TakeOne(std::string_view class_name, bool (*belongs)(char));
  // Any number of characters of a class, of which there are `length` bytes; false when it is 0.
  bool TakeRun(std::string_view class_name, std::size_t length);
  bool TakeRun(std::string_view class_name, bool (*belongs)(char));
  bool TakeEnd();
  // Without asking.
  void Skip(std::size_t length) { offset_ += length; }

  // Notes an error that explains more than what was expected where. Only the first 20 count.
  void Fail(std::size_t offset, std::string_view rule, std::string_view what);
  bool failed() const { return !errors_.empty(); }

  // The errors noted, a line each; without any, what was expected at the furthest place.
  absl::Status Error() const;

 private:
  enum class Kind { kClass, kLiteral, kEnd };
  struct Expectation {
    Kind kind;
    std::string_view name;
  };

  void Expect(Kind kind, std::string_view name);
  std::string Expected() const;

  const std::string_view text_;
  std::size_t offset_ = 0;
  std::size_t furthest_ = 0;
  std::vector<Expectation> expected_;
  std::vector<std::string> errors_;
};

}  // namespace belfry::bus::bexpr
