#pragma once

#include <concepts>
#include <string>
#include <string_view>

namespace belfry::simulation {

inline void AddText(std::string& text, const char* part) {
  text += part;
}
inline void AddText(std::string& text, std::integral auto number) {
  text += std::to_string(number);
}
// Of a std::string, and of either string_view.
template <typename Part>
  requires requires(const Part& part) { part.data(); }
void AddText(std::string& text, const Part& part) {
  text.append(part.data(), part.size());
}

// The parts, one behind the other, numbers in decimal.
template <typename... Parts>
std::string Text(const Parts&... parts) {
  std::string text;
  (AddText(text, parts), ...);
  return text;
}

}  // namespace belfry::simulation
