#include "server/bus/bexpr_quotes.h"

#include <charconv>
#include <cstdint>

#include "absl/strings/ascii.h"
#include "base/utf8.h"

namespace belfry::bus::bexpr {
namespace {

// Takes `count` digits of `base` off the front of the text.
std::optional<char32_t> TakeDigits(std::size_t count, int base, std::string_view* text) {
  if (text->size() < count) return std::nullopt;
  std::uint32_t value = 0;
  const char* const end = text->data() + count;
  const auto [stop, error] = std::from_chars(text->data(), end, value, base);
  if (error != std::errc() || stop != end) return std::nullopt;
  text->remove_prefix(count);
  return value;
}

// Takes an escape without its backslash off the front of the text and says it.
bool TakeEscape(std::string_view* text, std::string* said) {
  constexpr std::string_view kNames = "abfnrtv\\";
  constexpr std::string_view kMeanings = "\a\b\f\n\r\t\v\\";
  if (text->empty()) return false;
  const char name = text->front();
  if (absl::ascii_isdigit(static_cast<unsigned char>(name))) {
    const std::optional<char32_t> byte = TakeDigits(3, 8, text);
    if (!byte || *byte > 0xFF) return false;
    *said += static_cast<char>(*byte);
    return true;
  }
  text->remove_prefix(1);
  if (const std::size_t at = kNames.find(name); at != std::string_view::npos) {
    *said += kMeanings[at];
    return true;
  }
  if (name == 'x') {
    const std::optional<char32_t> byte = TakeDigits(2, 16, text);
    if (byte) *said += static_cast<char>(*byte);
    return byte.has_value();
  }
  if (name != 'u' && name != 'U') return false;
  const std::optional<char32_t> character = TakeDigits(name == 'u' ? 4 : 8, 16, text);
  if (!character || !IsCharacter(*character)) return false;
  AppendUtf8(*character, said);
  return true;
}

}  // namespace

std::optional<std::string> Unescaped(std::string_view text) {
  std::string said;
  while (!text.empty()) {
    const char c = text.front();
    text.remove_prefix(1);
    if (c == '\n') return std::nullopt;
    if (c != '\\') {
      said += c;
    } else if (!TakeEscape(&text, &said)) {
      return std::nullopt;
    }
  }
  return said;
}

std::string Unquoted(std::string_view text) {
  std::string said(text);
  std::erase(said, '\r');
  return said;
}

}  // namespace belfry::bus::bexpr
