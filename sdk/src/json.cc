#include "belfry/json.h"

#include <boost/json/basic_parser_impl.hpp>
#include <charconv>
#include <cmath>

#include "absl/strings/str_cat.h"

namespace belfry {
namespace {

constexpr std::size_t kMaxDepth = 512;

// Builds a value out of what the parser finds.
class Builder {
 public:
  static constexpr std::size_t max_object_size = SIZE_MAX;
  static constexpr std::size_t max_array_size = SIZE_MAX;
  static constexpr std::size_t max_key_size = SIZE_MAX;
  static constexpr std::size_t max_string_size = SIZE_MAX;
  using Error = boost::system::error_code;
  using Text = boost::json::string_view;

  Json Take() { return std::move(root_); }

  bool on_document_begin(Error&) { return true; }
  bool on_document_end(Error&) { return true; }
  bool on_object_begin(Error&) { return Open(Json(Json::Object())); }
  bool on_object_end(std::size_t, Error&) { return Close(); }
  bool on_array_begin(Error&) { return Open(Json(Json::Array())); }
  bool on_array_end(std::size_t, Error&) { return Close(); }
  bool on_key_part(Text part, std::size_t, Error&) { return Append(part); }
  bool on_key(Text part, std::size_t, Error&) {
    Append(part);
    open_.back().key = std::move(text_);
    text_.clear();
    return true;
  }
  bool on_string_part(Text part, std::size_t, Error&) { return Append(part); }
  bool on_string(Text part, std::size_t, Error&) {
    Append(part);
    return Put(Json(TakeText()));
  }
  bool on_number_part(Text part, Error&) { return Append(part); }
  bool on_int64(std::int64_t, Text part, Error&) { return PutNumber(part); }
  bool on_uint64(std::uint64_t, Text part, Error&) { return PutNumber(part); }
  bool on_double(double, Text part, Error&) { return PutNumber(part); }
  bool on_bool(bool value, Error&) { return Put(Json(value)); }
  bool on_null(Error&) { return Put(Json()); }
  bool on_comment_part(Text, Error&) { return true; }
  bool on_comment(Text, Error&) { return true; }

 private:
  struct Open_ {
    Json value;
    std::string key;  // Of the member that comes next, when the value is an object.
  };

  bool Append(Text part) {
    text_.append(part.data(), part.size());
    return true;
  }
  std::string TakeText() { return std::exchange(text_, {}); }
  bool PutNumber(Text part) {
    Append(part);
    return Put(Json(Json::Number{TakeText()}));
  }
  bool Open(Json container) {
    open_.push_back({std::move(container), {}});
    return true;
  }
  bool Close() {
    Json value = std::move(open_.back().value);
    open_.pop_back();
    return Put(std::move(value));
  }
  bool Put(Json value) {
    if (open_.empty()) {
      root_ = std::move(value);
    } else if (Json::Object* object = open_.back().value.if_object()) {
      object->insert_or_assign(std::move(open_.back().key), std::move(value));
    } else {
      open_.back().value.if_array()->push_back(std::move(value));
    }
    return true;
  }

  Json root_;
  std::vector<Open_> open_;
  std::string text_;
};

void AppendString(std::string_view text, std::string& out) {
  constexpr char kHex[] = "0123456789abcdef";
  out += '"';
  for (const char c : text) {
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      default:
        if (static_cast<unsigned char>(c) < 0x20) {
          out += "\\u00";
          out += kHex[c >> 4];
          out += kHex[c & 0xf];
        } else {
          out += c;
        }
    }
  }
  out += '"';
}

void AppendTo(const Json& value, std::string& out) {
  if (const bool* boolean = value.if_bool()) {
    out += *boolean ? "true" : "false";
  } else if (const Json::Number* number = value.if_number()) {
    out += number->text;
  } else if (const std::string* text = value.if_string()) {
    AppendString(*text, out);
  } else if (const Json::Array* array = value.if_array()) {
    out += '[';
    for (const Json& element : *array) {
      if (&element != array->data()) out += ',';
      AppendTo(element, out);
    }
    out += ']';
  } else if (const Json::Object* object = value.if_object()) {
    out += '{';
    bool first = true;
    for (const auto& [name, member] : *object) {
      if (!first) out += ',';
      first = false;
      AppendString(name, out);
      out += ':';
      AppendTo(member, out);
    }
    out += '}';
  } else {
    out += "null";
  }
}

std::string NumberText(double value) {
  if (!std::isfinite(value)) return "null";
  char buffer[32];
  return {buffer, std::to_chars(buffer, buffer + sizeof buffer, value).ptr};
}

}  // namespace

Json::Json(std::int64_t value) : value_(Number{std::to_string(value)}) {}

Json::Json(double value) {
  if (std::isfinite(value)) value_ = Number{NumberText(value)};
}

absl::StatusOr<Json> Json::Parse(std::string_view text) {
  boost::json::parse_options options;
  options.max_depth = kMaxDepth;
  boost::json::basic_parser<Builder> parser(options);
  boost::system::error_code error;
  const std::size_t read = parser.write_some(false, text.data(), text.size(), error);
  if (!error && read < text.size()) error = boost::json::error::extra_data;
  if (error) {
    return absl::InvalidArgumentError(
        absl::StrCat("malformed JSON at byte ", read, ": ", error.message()));
  }
  return parser.handler().Take();
}

const Json* Json::Find(std::string_view name) const {
  const Object* object = if_object();
  if (object == nullptr) return nullptr;
  const auto it = object->find(name);
  return it == object->end() ? nullptr : &it->second;
}

std::string Json::Dump() const {
  std::string out;
  AppendTo(*this, out);
  return out;
}

}  // namespace belfry
