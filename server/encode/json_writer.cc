#include "server/encode/json_writer.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <vector>

namespace belfry::encode {
namespace {

constexpr char kHex[] = "0123456789abcdef";
constexpr std::string_view kReplacement = "\\ufffd";

// The length of the UTF-8 sequence at the start of `text`, or 0 when it is none.
std::size_t Utf8Length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const auto continued = [&](std::size_t length) {
    if (text.size() < length) return false;
    for (std::size_t i = 1; i < length; ++i) {
      if ((byte(i) & 0xc0) != 0x80) return false;
    }
    return true;
  };
  const unsigned char first = byte(0);
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first <= 0xdf) return continued(2) ? 2 : 0;
  if ((first & 0xf0) == 0xe0 && continued(3)) {
    const bool overlong = first == 0xe0 && byte(1) < 0xa0;
    const bool surrogate = first == 0xed && byte(1) >= 0xa0;
    return overlong || surrogate ? 0 : 3;
  }
  if (first >= 0xf0 && first <= 0xf4 && continued(4)) {
    const bool overlong = first == 0xf0 && byte(1) < 0x90;
    const bool too_large = first == 0xf4 && byte(1) >= 0x90;
    return overlong || too_large ? 0 : 4;
  }
  return 0;
}

void AppendEscape(unsigned char c, std::string& out) {
  switch (c) {
    case '"':
      out += "\\\"";
      return;
    case '\\':
      out += "\\\\";
      return;
    case '\b':
      out += "\\b";
      return;
    case '\f':
      out += "\\f";
      return;
    case '\n':
      out += "\\n";
      return;
    case '\r':
      out += "\\r";
      return;
    case '\t':
      out += "\\t";
      return;
    default:
      out += "\\u00";
      out += kHex[c >> 4];
      out += kHex[c & 0xf];
  }
}

bool Plain(unsigned char c) {
  return c >= 0x20 && c < 0x80 && c != '"' && c != '\\' && c != '<' && c != '>' && c != '&';
}

// Go prints whole numbers without a fraction, and exponents only below 1e-6 and from 1e21 on, as
// ECMAScript does.
void AppendNumber(double number, std::string& out) {
  if (!std::isfinite(number)) {
    out += "null";
    return;
  }
  const double magnitude = std::fabs(number);
  const bool exponent = magnitude != 0 && (magnitude < 1e-6 || magnitude >= 1e21);
  char buffer[400];
  const auto end =
      std::to_chars(buffer, buffer + sizeof buffer, number,
                    exponent ? std::chars_format::scientific : std::chars_format::fixed)
          .ptr;
  std::string text(buffer, end);
  // e-09 → e-9
  if (const std::size_t at = text.find("e-0"); at != std::string::npos) text.erase(at + 2, 1);
  out += text;
}

void AppendValue(const google::protobuf::Value& value, std::string& out);

}  // namespace

void AppendString(std::string_view text, std::string& out) {
  out += '"';
  while (!text.empty()) {
    const auto run = std::find_if_not(text.begin(), text.end(),
                                      [](char c) { return Plain(static_cast<unsigned char>(c)); });
    out.append(text.begin(), run);
    text.remove_prefix(run - text.begin());
    if (text.empty()) break;
    const std::size_t length = Utf8Length(text);
    if (length == 1) {
      AppendEscape(static_cast<unsigned char>(text[0]), out);
    } else if (length == 0) {
      out += kReplacement;
    } else if (text.starts_with("\u2028") || text.starts_with("\u2029")) {
      out += text[2] == '\xa8' ? "\\u2028" : "\\u2029";
    } else {
      out += text.substr(0, length);
    }
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  out += '"';
}

void AppendStruct(const google::protobuf::Struct& object, std::string& out) {
  std::vector<const std::string*> keys;
  keys.reserve(object.fields_size());
  for (const auto& field : object.fields()) keys.push_back(&field.first);
  std::sort(keys.begin(), keys.end(),
            [](const std::string* a, const std::string* b) { return *a < *b; });
  out += '{';
  for (const std::string* key : keys) {
    if (out.back() != '{') out += ',';
    AppendString(*key, out);
    out += ':';
    AppendValue(object.fields().at(*key), out);
  }
  out += '}';
}

namespace {

void AppendValue(const google::protobuf::Value& value, std::string& out) {
  using google::protobuf::Value;
  switch (value.kind_case()) {
    case Value::kStringValue:
      return AppendString(value.string_value(), out);
    case Value::kBoolValue:
      out += value.bool_value() ? "true" : "false";
      return;
    case Value::kNumberValue:
      return AppendNumber(value.number_value(), out);
    case Value::kStructValue:
      return AppendStruct(value.struct_value(), out);
    case Value::kListValue:
      out += '[';
      for (const Value& element : value.list_value().values()) {
        if (out.back() != '[') out += ',';
        AppendValue(element, out);
      }
      out += ']';
      return;
    case Value::kNullValue:
    case Value::KIND_NOT_SET:
      out += "null";
      return;
  }
}

}  // namespace

}  // namespace belfry::encode
