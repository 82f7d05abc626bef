#include "sdk/src/field_conversion.h"

#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/time/time.h"
#include "base/duration.h"
#include "base/text.h"
#include "belfry/request.h"

namespace belfry::internal {
namespace {

constexpr std::string_view kInteger = "an integer";
constexpr std::string_view kNumber = "a number";
constexpr std::string_view kBoolean = "a boolean";
constexpr std::string_view kDuration = "a duration, in seconds or such as \"1h30m\"";
constexpr std::string_view kTime = "a time, as in RFC 3339 or in seconds since 1970";

std::string_view KindOf(const Json& value) {
  if (value.if_bool() != nullptr) return "a boolean";
  if (value.if_number() != nullptr) return "a number";
  if (value.if_string() != nullptr) return "a string";
  if (value.if_array() != nullptr) return "an array";
  return value.if_object() != nullptr ? "an object" : "null";
}

// Says what kind of value came and never the value, which may be a secret.
absl::Status Mismatch(const Json& value, std::string_view wanted) {
  return absl::InvalidArgumentError(Concat({"expected ", wanted, ", got ", KindOf(value)}));
}

// The same where another value of that kind would do.
absl::Status Unreadable(const Json& value, std::string_view wanted) {
  return absl::InvalidArgumentError(
      Concat({"expected ", wanted, ", got ", KindOf(value), " that is not one"}));
}

// The base that Go's literals begin with, which is taken off, 8 for a leading zero.
int TakeBase(std::string_view& digits) {
  if (digits.size() < 2 || digits[0] != '0') return 10;
  const char letter = absl::ascii_tolower(static_cast<unsigned char>(digits[1]));
  const int base = letter == 'x' ? 16 : letter == 'o' ? 8 : letter == 'b' ? 2 : 0;
  if (base == 0 || digits.size() == 2) return 8;
  digits.remove_prefix(2);
  return base;
}

// As Go's literals: "7", "-0x1f", "017", "1_000". nullopt when it is none, or needs more than 64
// bits.
std::optional<std::int64_t> ParseInt(const std::string& text) {
  std::string_view rest = text;
  std::string digits = rest.starts_with('-') ? "-" : "";
  if (rest.starts_with('-') || rest.starts_with('+')) rest.remove_prefix(1);
  const std::size_t length = rest.size();
  const int base = TakeBase(rest);
  // An underscore stands between digits, or after the base.
  bool may_divide = rest.size() < length;
  for (const char c : rest) {
    const bool divides = c == '_' && may_divide;
    if (!divides && !absl::ascii_isalnum(static_cast<unsigned char>(c))) return std::nullopt;
    if (!divides) digits += c;
    may_divide = !divides;
  }
  std::int64_t number = 0;
  const char* const end = digits.data() + digits.size();
  const auto [stop, error] = std::from_chars(digits.data(), end, number, base);
  if (error != std::errc() || stop != end || !may_divide) return std::nullopt;
  return number;
}

absl::StatusOr<std::string> ToText(const Json& value) {
  if (value.is_null()) return std::string();
  if (const std::string* text = value.if_string()) return *text;
  if (const Json::Number* number = value.if_number()) return number->text;
  if (const bool* boolean = value.if_bool()) return std::string(*boolean ? "1" : "0");
  return Mismatch(value, "a string");
}

absl::StatusOr<std::int64_t> Integer(const std::string& text, const Json& value) {
  if (const std::optional<std::int64_t> number = ParseInt(text)) return *number;
  return Unreadable(value, kInteger);
}

absl::StatusOr<std::int64_t> ToInt64(const Json& value) {
  if (value.is_null()) return 0;
  if (const bool* boolean = value.if_bool()) return *boolean ? 1 : 0;
  if (const Json::Number* number = value.if_number()) {
    double real = 0;
    // 1.0 and 1e3 are whole numbers too.
    if (absl::SimpleAtod(number->text, &real) && real == std::floor(real) && std::fabs(real) < 9e15)
      return static_cast<std::int64_t>(real);
    return Integer(number->text, value);
  }
  if (const std::string* text = value.if_string()) {
    if (text->empty()) return 0;
    return Integer(*text, value);
  }
  return Mismatch(value, kInteger);
}

absl::StatusOr<double> ToDouble(const Json& value) {
  const absl::StatusOr<std::string> text = ToText(value);
  double number = 0;
  if (!text.ok()) return Mismatch(value, kNumber);
  if (!absl::SimpleAtod(*text, &number)) return Unreadable(value, kNumber);
  return number;
}

absl::StatusOr<bool> ToBool(const Json& value) {
  if (const bool* boolean = value.if_bool()) return *boolean;
  const absl::StatusOr<std::string> text = ToText(value);
  if (!text.ok()) return Mismatch(value, kBoolean);
  if (text->empty()) return false;
  if (const std::optional<bool> boolean = ParseBool(*text)) return *boolean;
  return Unreadable(value, kBoolean);
}

absl::StatusOr<absl::Duration> ToDuration(const Json& value) {
  if (value.if_bool() != nullptr) return Mismatch(value, kDuration);
  const absl::StatusOr<std::string> text = ToText(value);
  if (!text.ok()) return Mismatch(value, kDuration);
  if (const std::optional<absl::Duration> duration = ParseDuration(*text)) return *duration;
  return Unreadable(value, kDuration);
}

absl::StatusOr<absl::Time> ToTime(const Json& value) {
  const absl::StatusOr<std::string> text = ToText(value);
  if (!text.ok()) return Mismatch(value, kTime);
  std::int64_t seconds = 0;
  if (absl::SimpleAtoi(*text, &seconds)) return absl::FromUnixSeconds(seconds);
  absl::Time time;
  std::string error;
  if (absl::ParseTime(absl::RFC3339_full, *text, &time, &error)) return time;
  return Unreadable(value, kTime);
}

// A JSON array as it is; text as what stands between its commas; an object without members as
// nothing; anything else as a list of one.
template <typename Delimited>
std::vector<Json> Elements(const Json& value, Delimited delimited) {
  if (const Json::Array* array = value.if_array()) return *array;
  std::vector<Json> elements;
  if (const std::string* text = value.if_string()) {
    if (text->empty()) return elements;
    for (const absl::string_view part : delimited(*text)) elements.emplace_back(std::string(part));
  } else if (value.if_object() == nullptr || !value.if_object()->empty()) {
    elements.push_back(value);
  }
  return elements;
}

template <typename T>
absl::StatusOr<std::any> ToList(const std::vector<Json>& elements,
                                absl::StatusOr<T> (*convert)(const Json&)) {
  std::vector<T> list;
  for (const Json& element : elements) {
    absl::StatusOr<T> converted = convert(element);
    if (!converted.ok()) return converted.status();
    list.push_back(*std::move(converted));
  }
  return std::any(std::move(list));
}

absl::StatusOr<std::any> ToStringList(const Json& value) {
  const auto parts = [](const std::string& text) {
    std::vector<absl::string_view> trimmed = absl::StrSplit(text, ',', absl::SkipWhitespace());
    for (absl::string_view& part : trimmed) part = absl::StripAsciiWhitespace(part);
    return trimmed;
  };
  return ToList<std::string>(Elements(value, parts), ToText);
}

absl::StatusOr<std::any> ToInt64List(const Json& value) {
  const auto parts = [](const std::string& text) {
    return std::vector<absl::string_view>(absl::StrSplit(text, ','));
  };
  return ToList<std::int64_t>(Elements(value, parts), ToInt64);
}

absl::Status AddMembers(const Json& value, Json::Object& object) {
  if (const Json::Object* members = value.if_object()) {
    for (const auto& [name, member] : *members) object.insert_or_assign(name, member);
    return absl::OkStatus();
  }
  if (value.is_null()) return absl::OkStatus();
  const Json::Array* array = value.if_array();
  if (array == nullptr) return Mismatch(value, "an object");
  for (const Json& element : *array) {
    const absl::Status added = AddMembers(element, object);
    if (!added.ok()) return added;
  }
  return absl::OkStatus();
}

absl::StatusOr<std::any> ToObject(const Json& value) {
  if (const Json::Object* given = value.if_object()) return std::any(*given);
  Json::Object object;
  const absl::Status added = AddMembers(value, object);
  if (!added.ok()) return added;
  return std::any(std::move(object));
}

absl::StatusOr<std::any> ToStringMap(const Json& value) {
  const Json::Object* object = value.if_object();
  if (object == nullptr) return Mismatch(value, "a map of strings");
  std::map<std::string, std::string> map;
  for (const auto& [name, member] : *object) {
    absl::StatusOr<std::string> text = ToText(member);
    if (!text.ok()) return text.status();
    map.emplace(name, *std::move(text));
  }
  return std::any(std::move(map));
}

template <typename T>
absl::StatusOr<std::any> Boxed(absl::StatusOr<T> value) {
  if (!value.ok()) return value.status();
  return std::any(*std::move(value));
}

}  // namespace

FieldType FieldTypeOf(const std::type_info& type) {
  if (type == typeid(std::string)) return FieldType::kString;
  if (type == typeid(std::int64_t)) return FieldType::kInt64;
  if (type == typeid(double)) return FieldType::kDouble;
  if (type == typeid(bool)) return FieldType::kBool;
  if (type == typeid(absl::Duration)) return FieldType::kDuration;
  if (type == typeid(absl::Time)) return FieldType::kTime;
  if (type == typeid(std::vector<std::string>)) return FieldType::kStringList;
  if (type == typeid(std::vector<std::int64_t>)) return FieldType::kInt64List;
  if (type == typeid(std::map<std::string, std::string>)) return FieldType::kStringMap;
  if (type == typeid(Json::Object)) return FieldType::kObject;
  if (type == typeid(Json)) return FieldType::kJson;
  std::fprintf(
      stderr,
      "belfry: a field has a type that fields cannot have; see FieldKey for those that they can\n");
  std::abort();
}

std::string_view FieldTypeName(FieldType type) {
  switch (type) {
    case FieldType::kString:
      return "string";
    case FieldType::kInt64:
      return "integer";
    case FieldType::kDouble:
      return "number";
    case FieldType::kBool:
      return "boolean";
    case FieldType::kDuration:
      return "duration";
    case FieldType::kTime:
      return "time";
    case FieldType::kStringList:
      return "list of strings";
    case FieldType::kInt64List:
      return "list of integers";
    case FieldType::kStringMap:
      return "map of strings";
    case FieldType::kObject:
      return "object";
    case FieldType::kJson:
      return "any JSON";
  }
  return "";
}

std::any ZeroValue(FieldType type) {
  switch (type) {
    case FieldType::kString:
      return std::string();
    case FieldType::kInt64:
      return std::int64_t{0};
    case FieldType::kDouble:
      return 0.0;
    case FieldType::kBool:
      return false;
    case FieldType::kDuration:
      return absl::ZeroDuration();
    case FieldType::kTime:
      return absl::Time();
    case FieldType::kStringList:
      return std::vector<std::string>();
    case FieldType::kInt64List:
      return std::vector<std::int64_t>();
    case FieldType::kStringMap:
      return std::map<std::string, std::string>();
    case FieldType::kObject:
      return Json::Object();
    case FieldType::kJson:
      return Json();
  }
  return {};
}

Json FieldToJson(const std::any& value, FieldType type) {
  switch (type) {
    case FieldType::kString:
      return std::any_cast<const std::string&>(value);
    case FieldType::kInt64:
      return std::any_cast<std::int64_t>(value);
    case FieldType::kDouble:
      return std::any_cast<double>(value);
    case FieldType::kBool:
      return std::any_cast<bool>(value);
    case FieldType::kDuration:
      return absl::FormatDuration(std::any_cast<absl::Duration>(value));
    case FieldType::kTime:
      return absl::FormatTime(std::any_cast<absl::Time>(value), absl::UTCTimeZone());
    case FieldType::kStringList: {
      const auto& list = std::any_cast<const std::vector<std::string>&>(value);
      return Json::Array(list.begin(), list.end());
    }
    case FieldType::kInt64List: {
      const auto& list = std::any_cast<const std::vector<std::int64_t>&>(value);
      return Json::Array(list.begin(), list.end());
    }
    case FieldType::kStringMap: {
      const auto& map = std::any_cast<const std::map<std::string, std::string>&>(value);
      return Json::Object(map.begin(), map.end());
    }
    case FieldType::kObject:
      return std::any_cast<const Json::Object&>(value);
    case FieldType::kJson:
      return std::any_cast<const Json&>(value);
  }
  return {};
}

absl::StatusOr<std::any> ConvertField(const Json& value, FieldType type) {
  switch (type) {
    case FieldType::kString:
      return Boxed(ToText(value));
    case FieldType::kInt64:
      return Boxed(ToInt64(value));
    case FieldType::kDouble:
      return Boxed(ToDouble(value));
    case FieldType::kBool:
      return Boxed(ToBool(value));
    case FieldType::kDuration:
      return Boxed(ToDuration(value));
    case FieldType::kTime:
      return Boxed(ToTime(value));
    case FieldType::kStringList:
      return ToStringList(value);
    case FieldType::kInt64List:
      return ToInt64List(value);
    case FieldType::kStringMap:
      return ToStringMap(value);
    case FieldType::kObject:
      return ToObject(value);
    case FieldType::kJson:
      return std::any(value);
  }
  return absl::InternalError("no such field type");
}

absl::StatusOr<std::any> Convert(const Json& value, const std::type_info& type) {
  return ConvertField(value, FieldTypeOf(type));
}

}  // namespace belfry::internal
