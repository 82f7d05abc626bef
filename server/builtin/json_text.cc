#include "server/builtin/json_text.h"

#include <boost/json.hpp>
#include <boost/json/basic_parser_impl.hpp>
#include <charconv>

#include "base/text.h"
#include "base/utf8.h"
#include "server/encode/encode.h"

namespace belfry::builtin {
namespace {

namespace json = boost::json;

// Looks at the outermost object while the parser runs, and keeps no values.
class SummaryHandler {
 public:
  static constexpr std::size_t max_object_size = std::size_t(-1);
  static constexpr std::size_t max_array_size = std::size_t(-1);
  static constexpr std::size_t max_key_size = std::size_t(-1);
  static constexpr std::size_t max_string_size = std::size_t(-1);

  explicit SummaryHandler(std::size_t max_values) : max_values_(max_values) {}

  ObjectSummary summary;
  bool is_object = false;
  bool has_too_many_values() const { return values_ > max_values_; }

  bool on_document_begin(json::error_code&) { return true; }
  bool on_document_end(json::error_code&) { return true; }
  bool on_object_begin(json::error_code& error) {
    if (depth_ == 0) is_object = true;
    return Value(error) && ++depth_ > 0;
  }
  bool on_object_end(std::size_t, json::error_code&) {
    --depth_;
    return true;
  }
  bool on_array_begin(json::error_code& error) { return Value(error) && ++depth_ > 0; }
  bool on_array_end(std::size_t, json::error_code&) {
    --depth_;
    return true;
  }
  bool on_key_part(json::string_view part, std::size_t, json::error_code&) {
    if (depth_ == 1) key_.append(part.substr(0, kLongestKey));
    return true;
  }
  bool on_key(json::string_view part, std::size_t, json::error_code&) {
    if (depth_ == 1) {
      key_.append(part.substr(0, kLongestKey));
      EndKey();
    }
    return true;
  }
  bool on_string_part(json::string_view, std::size_t, json::error_code&) { return true; }
  bool on_string(json::string_view, std::size_t, json::error_code& error) { return Value(error); }
  bool on_number_part(json::string_view, json::error_code&) { return true; }
  bool on_int64(std::int64_t, json::string_view, json::error_code& error) { return Value(error); }
  bool on_uint64(std::uint64_t, json::string_view, json::error_code& error) { return Value(error); }
  bool on_double(double, json::string_view, json::error_code& error) { return Value(error); }
  bool on_bool(bool, json::error_code& error) { return Value(error); }
  bool on_null(json::error_code& error) {
    if (depth_ == 0) summary.is_null = true;
    return Value(error);
  }
  bool on_comment_part(json::string_view, json::error_code&) { return true; }
  bool on_comment(json::string_view, json::error_code&) { return true; }

 private:
  static constexpr std::size_t kLongestKey = 32;

  void EndKey() {
    ++summary.members;
    summary.has_error |= key_ == "error";
    summary.has_data |= key_ == "data";
    summary.has_http_status |= key_ == "http_status_code";
    in_list_ = key_ == "keys";
    key_.clear();
  }
  // A value begins. Inside the outermost object's "keys" at depth 2 it is an item of the list.
  bool Value(json::error_code& error) {
    if (in_list_ && depth_ == 2) summary.has_list = true;
    if (++values_ <= max_values_) return true;
    error = json::error::array_too_large;
    return false;
  }

  const std::size_t max_values_;
  std::size_t values_ = 0;
  std::size_t depth_ = 0;
  bool in_list_ = false;
  std::string key_;
};

// The value of a "\\uXXXX" at that place; 0 when there is none.
unsigned EscapeAt(std::string_view text, std::size_t place) {
  if (place > text.size() || !text.substr(place).starts_with("\\u")) return 0;
  const std::string_view digits = text.substr(place + 2, 4);
  unsigned value = 0;
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
  return error == std::errc() && end == digits.data() + 4 ? value : 0;
}

// Where the first escape is that stands for half of a surrogate pair without the other half.
std::optional<std::size_t> LoneSurrogate(std::string_view text) {
  constexpr std::size_t kEscape = 6;
  for (std::size_t i = text.find('\\'); i < text.size(); i = text.find('\\', i)) {
    const unsigned code = EscapeAt(text, i);
    if (code < 0xD800 || code > 0xDFFF) {
      i += 2;
      continue;
    }
    const unsigned next = EscapeAt(text, i + kEscape);
    if (code >= 0xDC00 || next < 0xDC00 || next > 0xDFFF) return i;
    i += 2 * kEscape;
  }
  return std::nullopt;
}

// What is wrong with a text that a parser took `parsed` bytes of.
std::string FaultAt(std::string_view text, std::size_t parsed, const std::string& message) {
  if (const auto place = NotUtf8At(text); place && *place <= parsed) {
    return Concat({"not UTF-8 at byte ", std::to_string(*place)});
  }
  if (const auto place = LoneSurrogate(text); place && *place <= parsed) {
    return Concat({"not UTF-8 at byte ", std::to_string(*place), ": half of a surrogate pair"});
  }
  return Concat({message, " at byte ", std::to_string(parsed)});
}

// Null when the text is no JSON.
json::value Parse(std::string_view text) {
  json::parse_options options;
  options.max_depth = kMaxReplyJsonDepth;
  json::error_code error;
  json::value value = json::parse(json::string_view(text.data(), text.size()), error, {}, options);
  return error ? json::value() : value;
}

Member ToMember(const json::value& value) {
  if (value.is_string()) return {.is_string = true, .text = std::string(value.get_string())};
  return {.text = json::serialize(value)};
}

}  // namespace

std::optional<std::size_t> NotUtf8At(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const Utf8Character character = FirstCharacter(text.substr(i));
    if (!character.valid) return i;
    i += character.size;
  }
  return std::nullopt;
}

void ObjectText::Key(std::string_view key) {
  if (text_.size() > 1) text_ += ',';
  text_ += encode::JsonString(key);
  text_ += ':';
}

ObjectText& ObjectText::Text(std::string_view key, std::string_view value) {
  Key(key);
  text_ += encode::JsonString(value);
  return *this;
}

ObjectText& ObjectText::Number(std::string_view key, std::int64_t value) {
  Key(key);
  text_ += std::to_string(value);
  return *this;
}

ObjectText& ObjectText::Bool(std::string_view key, bool value) {
  Key(key);
  text_ += value ? "true" : "false";
  return *this;
}

ObjectText& ObjectText::Raw(std::string_view key, std::string_view json) {
  Key(key);
  text_ += json;
  return *this;
}

ObjectText& ObjectText::Members(std::string_view object) {
  const std::size_t begin = object.find('{');
  const std::size_t end = object.rfind('}');
  if (begin == std::string_view::npos || end == std::string_view::npos) return *this;
  const std::string_view members = object.substr(begin + 1, end - begin - 1);
  if (members.find('"') == std::string_view::npos) return *this;
  if (text_.size() > 1) text_ += ',';
  text_ += members;
  return *this;
}

std::string ObjectText::Finish() {
  text_ += '}';
  return std::move(text_);
}

std::string TimeText(absl::Time time) {
  return absl::FormatTime("\"%Y-%m-%d%ET%H:%M:%E*SZ\"", time, absl::UTCTimeZone());
}

std::string ArrayText(const std::vector<std::string>& values) {
  std::string text = "[";
  for (const std::string& value : values) {
    if (text.size() > 1) text += ',';
    text += encode::JsonString(value);
  }
  text += ']';
  return text;
}

std::string StringMapOrNull(const std::map<std::string, std::string>& values) {
  if (values.empty()) return "null";
  ObjectText text;
  for (const auto& [key, value] : values) text.Text(key, value);
  return text.Finish();
}

absl::StatusOr<ObjectSummary> Summarize(std::string_view text, std::size_t max_depth,
                                        std::size_t max_values) {
  json::parse_options options;
  options.max_depth = max_depth;
  json::basic_parser<SummaryHandler> parser(options, max_values);
  json::error_code error;
  const std::size_t parsed = parser.write_some(false, text.data(), text.size(), error);
  if (!error && parsed < text.size()) error = json::error::extra_data;
  const SummaryHandler& handler = parser.handler();
  if (handler.has_too_many_values()) {
    return absl::InvalidArgumentError(
        Concat({"error parsing JSON: it has more than ", std::to_string(max_values), " values"}));
  }
  if (error) {
    return absl::InvalidArgumentError(
        Concat({"error parsing JSON: ", FaultAt(text, parsed, error.message())}));
  }
  if (!handler.is_object && !handler.summary.is_null) {
    return absl::InvalidArgumentError("error parsing JSON: the body is not an object");
  }
  return handler.summary;
}

std::map<std::string, Member> AllMembers(std::string_view text) {
  std::map<std::string, Member> members;
  const json::value value = Parse(text);
  if (!value.is_object()) return members;
  for (const json::key_value_pair& pair : value.get_object()) {
    members.insert_or_assign(std::string(pair.key()), ToMember(pair.value()));
  }
  return members;
}

std::map<std::string, Member> Members(std::string_view text,
                                      std::initializer_list<std::string_view> names) {
  std::map<std::string, Member> members;
  const json::value value = Parse(text);
  if (!value.is_object()) return members;
  for (std::string_view name : names) {
    const json::value* found = value.get_object().if_contains({name.data(), name.size()});
    if (found != nullptr) members.emplace(name, ToMember(*found));
  }
  return members;
}

}  // namespace belfry::builtin
