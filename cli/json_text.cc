#include "cli/json_text.h"

#include <boost/json/serialize.hpp>
#include <charconv>

#include "cli/text.h"

namespace belfry::cli {
namespace {

namespace json = boost::json;

// Boost.JSON writes 1.5 as "1.5E0"; people expect what they wrote.
std::string DoubleText(double number) {
  char buffer[32];
  const auto end = std::to_chars(buffer, buffer + sizeof(buffer), number).ptr;
  return std::string(buffer, end);
}

std::string Compact(const json::value& value) {
  if (value.is_double()) return DoubleText(value.get_double());
  if (value.is_object()) {
    std::string text = "{";
    for (const auto& [key, member] : value.get_object()) {
      text += Concat(text.size() > 1 ? "," : "", json::serialize(json::value(key)), ":",
                     Compact(member));
    }
    return text + "}";
  }
  if (value.is_array()) {
    std::string text = "[";
    for (const json::value& element : value.get_array())
      text += Concat(text.size() > 1 ? "," : "", Compact(element));
    return text + "]";
  }
  return json::serialize(value);
}

bool IsSpace(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

// The index after the string that starts at `begin`.
std::size_t EndOfString(std::string_view text, std::size_t begin) {
  std::size_t i = begin + 1;
  while (i < text.size() && text[i] != '"') i += text[i] == '\\' ? 2 : 1;
  return std::min(i + 1, text.size());
}

char NextVisible(std::string_view text, std::size_t i) {
  while (i < text.size() && IsSpace(text[i])) ++i;
  return i < text.size() ? text[i] : '\0';
}

}  // namespace

std::string Indented(std::string_view text) {
  std::string out;
  std::size_t depth = 0;
  const auto new_line = [&] { out.append("\n").append(2 * depth, ' '); };
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (IsSpace(c)) continue;
    if (c == '"') {
      const std::size_t end = EndOfString(text, i);
      out.append(text.substr(i, end - i));
      i = end - 1;
    } else if (c == '{' || c == '[') {
      out.push_back(c);
      const char next = NextVisible(text, i + 1);
      if (next == '}' || next == ']') continue;
      ++depth;
      new_line();
    } else if (c == '}' || c == ']') {
      const bool empty = !out.empty() && (out.back() == '{' || out.back() == '[');
      if (!empty && depth > 0) {
        --depth;
        new_line();
      }
      out.push_back(c);
    } else if (c == ',') {
      out.push_back(c);
      new_line();
    } else if (c == ':') {
      out.append(": ");
    } else {
      out.push_back(c);
    }
  }
  return out;
}

std::string JsonText(const json::value& value) {
  return Indented(Compact(value));
}

std::string OneLine(const json::value& value) {
  if (value.is_null()) return "<nil>";
  if (value.is_string()) return std::string(value.get_string());
  return Compact(value);
}

}  // namespace belfry::cli
