#pragma once

#include <concepts>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"

namespace belfry {

// A JSON value, as requests bring it and responses carry it.
//
// Threads: like a std::string; distinct values are independent.
// Numbers keep the text they were written with ("1.50", "12345678901234567890"), so that storing a
// value and reading it back changes nothing. Objects keep their members in order of name, as Vault
// prints them.
class Json {
 public:
  struct Number {
    std::string text;  // A JSON number, as written.
    friend bool operator==(const Number&, const Number&) = default;
  };
  using Array = std::vector<Json>;
  using Object = std::map<std::string, Json, std::less<>>;

  Json() = default;  // null
  Json(std::nullptr_t) {}
  // Only from a bool itself: a pointer would convert to one, and is a mistake.
  Json(std::same_as<bool> auto value) : value_(value) {}
  template <std::integral T>
    requires(!std::same_as<T, bool>)
  Json(T value) : value_(Number{std::to_string(value)}) {}
  // The shortest text that reads back as the same number; null when it is not finite.
  Json(double value);
  Json(Number value) : value_(std::move(value)) {}
  Json(std::string value) : value_(std::move(value)) {}
  Json(std::string_view value) : value_(std::string(value)) {}
  Json(const char* value) : value_(std::string(value)) {}
  Json(Array value) : value_(std::move(value)) {}
  Json(Object value) : value_(std::move(value)) {}

  // InvalidArgument with the position of the mistake, and nothing of the text: it may be a secret.
  // Values may be nested up to 512 deep; text must be UTF-8; nothing but white space may follow.
  // Of two members with one name the last wins.
  static absl::StatusOr<Json> Parse(std::string_view text);

  bool is_null() const { return std::holds_alternative<std::nullptr_t>(value_); }
  // Null when the value is of another kind. The pointers live as long as the value is not changed.
  const bool* if_bool() const { return std::get_if<bool>(&value_); }
  const Number* if_number() const { return std::get_if<Number>(&value_); }
  const std::string* if_string() const { return std::get_if<std::string>(&value_); }
  const Array* if_array() const { return std::get_if<Array>(&value_); }
  const Object* if_object() const { return std::get_if<Object>(&value_); }
  Array* if_array() { return std::get_if<Array>(&value_); }
  Object* if_object() { return std::get_if<Object>(&value_); }

  // The member of an object; null when it is absent or this is no object.
  const Json* Find(std::string_view name) const;

  // Compact text. Strings are escaped only where JSON demands it; what is not UTF-8 in them becomes
  // U+FFFD, for JSON can hold no other bytes.
  std::string Dump() const;

  friend bool operator==(const Json&, const Json&) = default;

 private:
  std::variant<std::nullptr_t, bool, Number, std::string, Array, Object> value_ = nullptr;
};

}  // namespace belfry
