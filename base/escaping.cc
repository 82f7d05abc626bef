#include "base/escaping.h"

#include <algorithm>
#include <iterator>

#include "base/text.h"
#include "base/utf8.h"

namespace belfry {
namespace {

struct Range {
  char32_t first;
  char32_t last;
};
// Unicode's categories Cc, Zl and Zp, and of Cf what has to do with direction or stays invisible.
constexpr Range kNotPlain[] = {{0x00, 0x1f},     {0x7f, 0x9f},      {0xad, 0xad},
                               {0x61c, 0x61c},   {0x180e, 0x180e},  {0x200b, 0x200f},
                               {0x2028, 0x202e}, {0x2060, 0x206f},  {0xfeff, 0xfeff},
                               {0xfff9, 0xfffb}, {0xe0000, 0xe007f}};

void AppendHex(char32_t code, int digits, std::string* text) {
  for (int i = digits - 1; i >= 0; --i) *text += "0123456789abcdef"[code >> (4 * i) & 0xf];
}

void AppendCode(char32_t code, std::string* text) {
  const bool wide = code > 0xffff;
  *text += code < 0x80 ? "\\x" : wide ? "\\U" : "\\u";
  AppendHex(code, code < 0x80 ? 2 : wide ? 8 : 4, text);
}

// JSON has UTF-16's halves for what lies beyond its four digits.
void AppendJsonCode(char32_t code, std::string* text) {
  if (code > 0xffff) {
    AppendJsonCode(0xd800 + ((code - 0x10000) >> 10), text);
    code = 0xdc00 + ((code - 0x10000) & 0x3ff);
  }
  *text += "\\u";
  AppendHex(code, 4, text);
}

void AppendEscaped(char32_t code, std::string* text) {
  switch (code) {
    case '\n':
      *text += "\\n";
      return;
    case '\r':
      *text += "\\r";
      return;
    case '\t':
      *text += "\\t";
      return;
    case '"':
    case '\\':
      *text += '\\';
      *text += static_cast<char>(code);
      return;
    default:
      AppendCode(code, text);
  }
}

}  // namespace

bool IsPlainCharacter(char32_t code) {
  return std::none_of(std::begin(kNotPlain), std::end(kNotPlain), [code](const Range& range) {
    return code >= range.first && code <= range.last;
  });
}

bool IsPlainText(std::string_view text) {
  while (!text.empty()) {
    const Utf8Character next = FirstCharacter(text);
    if (!next.valid || !IsPlainCharacter(next.code)) return false;
    text.remove_prefix(next.size);
  }
  return true;
}

std::string Quoted(std::string_view text) {
  std::string quoted = "\"";
  while (!text.empty()) {
    const Utf8Character next = FirstCharacter(text);
    if (!next.valid) {
      quoted += "\\x";
      AppendHex(static_cast<unsigned char>(text[0]), 2, &quoted);
    } else if (next.code == '"' || next.code == '\\' || !IsPlainCharacter(next.code)) {
      AppendEscaped(next.code, &quoted);
    } else {
      quoted += text.substr(0, next.size);
    }
    text.remove_prefix(next.size);
  }
  return quoted += '"';
}

std::string JsonQuoted(std::string_view text) {
  std::string quoted = "\"";
  while (!text.empty()) {
    const Utf8Character next = FirstCharacter(text);
    if (next.code == '"' || next.code == '\\') {
      quoted += Concat({"\\", text.substr(0, 1)});
    } else if (!IsPlainCharacter(next.code)) {
      AppendJsonCode(next.code, &quoted);
    } else {
      AppendUtf8(next.code, &quoted);
    }
    text.remove_prefix(next.size);
  }
  return quoted += '"';
}

}  // namespace belfry
