#pragma once

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

#include "absl/strings/string_view.h"

namespace belfry {

// Pure functions, thread-safe.
//
// The distribution's Abseil has a string_view of its own, which does not convert from and to
// std::string_view: absl::StrCat refuses ours, and Status::message() is not one. The first
// three stand between.

// The parts, one after the other: Concat({"a/", name}).
inline std::string Concat(std::initializer_list<std::string_view> parts) {
  std::size_t size = 0;
  for (const std::string_view part : parts) size += part.size();
  std::string text;
  text.reserve(size);
  for (const std::string_view part : parts) text += part;
  return text;
}

// The same characters; the result lives as long as they do.
inline std::string_view ToStd(absl::string_view text) {
  return {text.data(), text.size()};
}
inline absl::string_view ToAbsl(std::string_view text) {
  return {text.data(), text.size()};
}

// Go's idea of a boolean: 1 t T TRUE true True 0 f F FALSE false False.
inline std::optional<bool> ParseBool(std::string_view text) {
  for (const std::string_view yes : {"1", "t", "T", "TRUE", "true", "True"}) {
    if (text == yes) return true;
  }
  for (const std::string_view no : {"0", "f", "F", "FALSE", "false", "False"}) {
    if (text == no) return false;
  }
  return std::nullopt;
}

}  // namespace belfry
