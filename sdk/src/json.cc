#include "belfry/json.h"

#include <algorithm>
#include <array>
#include <boost/json/basic_parser_impl.hpp>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/utf8.h"

namespace belfry {
namespace {

constexpr std::size_t kMaxDepth = 512;

// Builds a Json from the parser's calls. The parser's own values would round numbers, so only the
// characters of a number are taken.
class Builder {
 public:
  static constexpr std::size_t max_object_size = SIZE_MAX;
  static constexpr std::size_t max_array_size = SIZE_MAX;
  static constexpr std::size_t max_key_size = SIZE_MAX;
  static constexpr std::size_t max_string_size = SIZE_MAX;

  using Error = boost::json::error_code;
  using Text = boost::json::string_view;

  bool on_document_begin(Error&) { return true; }
  bool on_document_end(Error&) { return true; }
  bool on_array_begin(Error&) { return Open(Json::Array()); }
  bool on_array_end(std::size_t, Error&) { return Close(); }
  bool on_object_begin(Error&) { return Open(Json::Object()); }
  bool on_object_end(std::size_t, Error&) { return Close(); }
  bool on_string_part(Text part, std::size_t, Error&) { return Collect(part); }
  bool on_string(Text part, std::size_t, Error&) {
    Collect(part);
    return Add(Json(std::exchange(text_, {})));
  }
  bool on_key_part(Text part, std::size_t, Error&) { return Collect(part); }
  bool on_key(Text part, std::size_t, Error&) {
    Collect(part);
    open_.back().key = std::exchange(text_, {});
    return true;
  }
  bool on_number_part(Text part, Error&) { return Collect(part); }
  bool on_int64(std::int64_t, Text part, Error&) { return AddNumber(part); }
  bool on_uint64(std::uint64_t, Text part, Error&) { return AddNumber(part); }
  bool on_double(double, Text part, Error&) { return AddNumber(part); }
  bool on_bool(bool value, Error&) { return Add(Json(value)); }
  bool on_null(Error&) { return Add(Json()); }
  bool on_comment_part(Text, Error&) { return true; }
  bool on_comment(Text, Error&) { return true; }

  Json Take() { return std::move(root_); }

 private:
  struct Container {
    Json value;
    std::string key;  // Of the member that comes next.
  };

  bool Collect(Text part) {
    text_.append(part.data(), part.size());
    return true;
  }
  bool AddNumber(Text part) {
    Collect(part);
    return Add(Json(Json::Number{std::exchange(text_, {})}));
  }
  bool Open(Json container) {
    open_.push_back({std::move(container), {}});
    return true;
  }
  bool Close() {
    Json value = std::move(open_.back().value);
    open_.pop_back();
    return Add(std::move(value));
  }
  bool Add(Json value) {
    if (open_.empty()) {
      root_ = std::move(value);
    } else if (Json::Array* array = open_.back().value.if_array()) {
      array->push_back(std::move(value));
    } else {
      open_.back().value.if_object()->insert_or_assign(std::move(open_.back().key),
                                                       std::move(value));
    }
    return true;
  }

  std::vector<Container> open_;
  std::string text_;
  Json root_;
};

// ASCII that stands in a JSON string as it is.
bool IsPlain(char c) {
  return c >= 0x20 && c < 0x7F && c != '"' && c != '\\';
}

void DumpString(std::string_view text, std::string* out) {
  constexpr char kHex[] = "0123456789abcdef";
  *out += '"';
  while (!text.empty()) {
    const auto plain = static_cast<std::size_t>(
        std::find_if_not(text.begin(), text.end(), IsPlain) - text.begin());
    out->append(text.substr(0, plain));
    text.remove_prefix(plain);
    if (text.empty()) break;
    const Utf8Character first = FirstCharacter(text);
    const char c = text[0];
    if (!first.valid) {
      *out += "\uFFFD";
    } else if (c == '"' || c == '\\') {
      *out += {'\\', c};
    } else if (c == '\n') {
      *out += "\\n";
    } else if (c == '\r') {
      *out += "\\r";
    } else if (c == '\t') {
      *out += "\\t";
    } else if (static_cast<unsigned char>(c) < 0x20) {
      *out += {'\\', 'u', '0', '0', kHex[c >> 4], kHex[c & 15]};
    } else {
      out->append(text.substr(0, first.size));
    }
    text.remove_prefix(first.size);
  }
  *out += '"';
}

void DumpTo(const Json& value, std::string* out) {
  const char* separator = "";
  if (const bool* boolean = value.if_bool()) {
    *out += *boolean ? "true" : "false";
  } else if (const Json::Number* number = value.if_number()) {
    *out += number->text;
  } else if (const std::string* text = value.if_string()) {
    DumpString(*text, out);
  } else if (const Json::Array* array = value.if_array()) {
    *out += '[';
    for (const Json& element : *array) {
      *out += std::exchange(separator, ",");
      DumpTo(element, out);
    }
    *out += ']';
  } else if (const Json::Object* object = value.if_object()) {
    *out += '{';
    for (const auto& [name, member] : *object) {
      *out += std::exchange(separator, ",");
      DumpString(name, out);
      *out += ':';
      DumpTo(member, out);
    }
    *out += '}';
  } else {
    *out += "null";
  }
}

absl::Status Malformed(std::string_view what, std::size_t position) {
  return absl::InvalidArgumentError(
      absl::StrCat("malformed JSON at byte ", position, ": ", std::string(what)));
}

}  // namespace

Json::Json(double value) {
  if (!std::isfinite(value)) return;
  std::array<char, 32> buffer;
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value).ptr;
  value_ = Number{std::string(buffer.data(), end)};
}

absl::StatusOr<Json> Json::Parse(std::string_view text) {
  boost::json::parse_options options;
  options.max_depth = kMaxDepth;
  boost::json::basic_parser<Builder> parser(options);
  boost::json::error_code error;
  const std::size_t read = parser.write_some(false, text.data(), text.size(), error);
  if (error) return Malformed(error.message(), read);
  if (read < text.size()) return Malformed("something follows the value", read);
  return parser.handler().Take();
}

const Json* Json::Find(std::string_view name) const {
  const Object* object = if_object();
  if (object == nullptr) return nullptr;
  const auto found = object->find(name);
  return found == object->end() ? nullptr : &found->second;
}

std::string Json::Dump() const {
  std::string text;
  DumpTo(*this, &text);
  return text;
}

}  // namespace belfry
