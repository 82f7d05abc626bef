#pragma once

#include <concepts>
#include <string>
#include <string_view>
#include <type_traits>

namespace belfry::cli {

// Texts and whole numbers, one after the other. (The distribution's absl::StrCat takes no
// std::string_view.)
template <typename... Parts>
std::string Concat(const Parts&... parts) {
  std::string out;
  const auto append = [&out](const auto& part) {
    using Part = std::decay_t<decltype(part)>;
    if constexpr (std::integral<Part> && !std::same_as<Part, char>) {
      out += std::to_string(part);
    } else if constexpr (std::same_as<Part, char>) {
      out += part;
    } else {
      out += std::string_view(part);
    }
  };
  (append(parts), ...);
  return out;
}

// Without the white space around it.
inline std::string_view Trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const std::size_t first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

// Removes `prefix` from the front of `text` when it is there, and says whether it was.
inline bool ConsumePrefix(std::string_view* text, std::string_view prefix) {
  if (!text->starts_with(prefix)) return false;
  text->remove_prefix(prefix.size());
  return true;
}

}  // namespace belfry::cli
