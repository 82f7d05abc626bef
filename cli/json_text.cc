#include "cli/json_text.h"

#include <boost/json/basic_parser_impl.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value_stack.hpp>
#include <cstdint>
#include <utility>

#include "cli/text.h"

namespace belfry::cli {
namespace {

namespace json = boost::json;

// In front of a number's text.
constexpr char kNumber = '\xff';
// As deep as a server's answer may be.
constexpr std::size_t kMaxDepth = 1000;

bool IsNumberText(const json::string& text) {
  return !text.empty() && text.front() == kNumber;
}

// Builds the value while the parser runs.
class ValueHandler {
 public:
  static constexpr std::size_t max_object_size = std::size_t(-1);
  static constexpr std::size_t max_array_size = std::size_t(-1);
  static constexpr std::size_t max_key_size = std::size_t(-1);
  static constexpr std::size_t max_string_size = std::size_t(-1);

  json::value Release() { return values_.release(); }

  bool on_document_begin(json::error_code&) {
    values_.reset();
    return true;
  }
  bool on_document_end(json::error_code&) { return true; }
  bool on_object_begin(json::error_code&) { return true; }
  bool on_object_end(std::size_t members, json::error_code&) {
    values_.push_object(members);
    return true;
  }
  bool on_array_begin(json::error_code&) { return true; }
  bool on_array_end(std::size_t elements, json::error_code&) {
    values_.push_array(elements);
    return true;
  }
  bool on_key_part(json::string_view part, std::size_t, json::error_code&) {
    values_.push_chars(part);
    return true;
  }
  bool on_key(json::string_view part, std::size_t, json::error_code&) {
    values_.push_key(part);
    return true;
  }
  bool on_string_part(json::string_view part, std::size_t, json::error_code&) {
    values_.push_chars(part);
    return true;
  }
  bool on_string(json::string_view part, std::size_t, json::error_code&) {
    values_.push_string(part);
    return true;
  }
  bool on_number_part(json::string_view part, json::error_code&) {
    number_.append(part.data(), part.size());
    return true;
  }
  bool on_int64(std::int64_t number, json::string_view part, json::error_code&) {
    number_.append(part.data(), part.size());
    if (number_ == std::to_string(number)) {
      values_.push_int64(number);
      number_.clear();
    } else {
      PushNumber();
    }
    return true;
  }
  bool on_uint64(std::uint64_t, json::string_view part, json::error_code& error) {
    return on_double(0, part, error);
  }
  bool on_double(double, json::string_view part, json::error_code&) {
    number_.append(part.data(), part.size());
    PushNumber();
    return true;
  }
  bool on_bool(bool value, json::error_code&) {
    values_.push_bool(value);
    return true;
  }
  bool on_null(json::error_code&) {
    values_.push_null();
    return true;
  }
  bool on_comment_part(json::string_view, json::error_code&) { return true; }
  bool on_comment(json::string_view, json::error_code&) { return true; }

 private:
  void PushNumber() { values_.push_string(kNumber + std::exchange(number_, "")); }

  json::value_stack values_;
  std::string number_;  // The text of the one that is being read.
};

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

absl::StatusOr<json::value> ParseJson(std::string_view text) {
  json::parse_options options;
  options.max_depth = kMaxDepth;
  json::basic_parser<ValueHandler> parser(options);
  json::error_code error;
  const std::size_t parsed = parser.write_some(false, text.data(), text.size(), error);
  if (!error && parsed < text.size()) error = json::error::extra_data;
  if (!error) return parser.handler().Release();
  return absl::InvalidArgumentError(Concat(error.message(), " at byte ", std::to_string(parsed)));
}

std::string CompactJson(const json::value& value) {
  if (value.is_object()) {
    std::string text = "{";
    for (const auto& [key, member] : value.get_object()) {
      text += Concat(text.size() > 1 ? "," : "", json::serialize(json::value(key)), ":",
                     CompactJson(member));
    }
    return text + "}";
  }
  if (value.is_array()) {
    std::string text = "[";
    for (const json::value& element : value.get_array())
      text += Concat(text.size() > 1 ? "," : "", CompactJson(element));
    return text + "]";
  }
  if (value.is_string() && IsNumberText(value.get_string()))
    return std::string(value.get_string().subview(1));
  return json::serialize(value);
}

std::string JsonText(const json::value& value) {
  return Indented(CompactJson(value));
}

std::string OneLine(const json::value& value) {
  if (value.is_null()) return "<nil>";
  if (value.is_string() && !IsNumberText(value.get_string()))
    return std::string(value.get_string());
  return CompactJson(value);
}

std::string MemberText(const json::object& object, std::string_view name) {
  const auto* value = object.if_contains(name);
  return value == nullptr || value->is_null() ? "" : OneLine(*value);
}

}  // namespace belfry::cli
