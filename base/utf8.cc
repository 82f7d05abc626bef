#include "base/utf8.h"

#include <utility>

namespace belfry {
namespace {

constexpr char32_t kReplacement = 0xFFFD;
constexpr std::string_view kReplacementText = "\xef\xbf\xbd";

}  // namespace

bool IsCharacter(char32_t code) {
  return code <= 0x10FFFF && (code < 0xD800 || code > 0xDFFF);
}

Utf8Character FirstOfSeveralBytes(std::string_view text) {
  const auto first = static_cast<unsigned char>(text[0]);
  const std::size_t size = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  constexpr char32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
  if (first < 0xC2 || first > 0xF4 || text.size() < size) return {kReplacement, 1, false};
  char32_t code = first & (0xFFu >> (size + 1));
  for (std::size_t i = 1; i < size; ++i) {
    const auto next = static_cast<unsigned char>(text[i]);
    if ((next & 0xC0) != 0x80) return {kReplacement, 1, false};
    code = code << 6 | (next & 0x3F);
  }
  if (code < kSmallest[size] || !IsCharacter(code)) return {kReplacement, 1, false};
  return {code, size};
}

bool ShowsBeyondAscii(char32_t code) {
  static constexpr std::pair<char32_t, char32_t> kUnprintable[] = {
      {0x80, 0xA0},     {0xAD, 0xAD},     {0x2000, 0x200F},   {0x2028, 0x202F},
      {0x205F, 0x206F}, {0x3000, 0x3000}, {0xE000, 0xF8FF},   {0xFEFF, 0xFEFF},
      {0xFFF9, 0xFFFB}, {0xFFFE, 0xFFFF}, {0xE0000, 0xE0FFF}, {0xF0000, 0x10FFFF}};
  for (const auto& [first, last] : kUnprintable) {
    if (code >= first && code <= last) return false;
  }
  return true;
}

bool IsUtf8(std::string_view text) {
  while (!text.empty()) {
    const Utf8Character first = FirstCharacter(text);
    if (!first.valid) return false;
    text.remove_prefix(first.size);
  }
  return true;
}

std::string ValidUtf8(std::string_view text) {
  std::string valid;
  valid.reserve(text.size());
  while (!text.empty()) {
    const Utf8Character first = FirstCharacter(text);
    valid += first.valid ? text.substr(0, first.size) : kReplacementText;
    text.remove_prefix(first.size);
  }
  return valid;
}

void AppendUtf8(char32_t code, std::string* text) {
  if (!IsCharacter(code)) code = kReplacement;
  if (code < 0x80) {
    *text += static_cast<char>(code);
    return;
  }
  const int following = code >= 0x10000 ? 3 : code >= 0x800 ? 2 : 1;
  *text += static_cast<char>((0xFF00 >> (following + 1) & 0xFF) | code >> (6 * following));
  for (int i = following - 1; i >= 0; --i) {
    *text += static_cast<char>(0x80 | (code >> (6 * i) & 0x3F));
  }
}

}  // namespace belfry
