#include "sdk/src/field_conversion.h"

#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/time.h"

namespace belfry::internal {
namespace {

absl::Status Mismatch(const Json& value, std::string_view wanted) {
  return absl::InvalidArgumentError(
      absl::StrCat("cannot use ", value.Dump(), " as ", std::string(wanted)));
}

absl::StatusOr<std::int64_t> ParseInt(const std::string& text) {
  std::int64_t number = 0;
  const char* const end = text.data() + text.size();
  const char* begin = text.data();
  if (text.starts_with('+')) ++begin;
  const auto [stop, error] = std::from_chars(begin, end, number);
  if (error == std::errc::result_out_of_range) {
    return absl::InvalidArgumentError(absl::StrCat(
        "cannot parse '' as int: strconv.ParseInt: parsing \"", text, "\": value out of range"));
  }
  if (error != std::errc() || stop != end) {
    return absl::InvalidArgumentError(absl::StrCat(
        "cannot parse '' as int: strconv.ParseInt: parsing \"", text, "\": invalid syntax"));
  }
  return number;
}

absl::StatusOr<std::string> ToText(const Json& value) {
  if (const std::string* text = value.if_string()) return *text;
  if (const Json::Number* number = value.if_number()) return number->text;
  if (const bool* boolean = value.if_bool()) return std::string(*boolean ? "1" : "0");
  return Mismatch(value, "text");
}

absl::StatusOr<std::int64_t> ToInt64(const Json& value) {
  if (const bool* boolean = value.if_bool()) return *boolean ? 1 : 0;
  if (const Json::Number* number = value.if_number()) {
    double real = 0;
    // 1.0 and 1e3 are whole numbers too.
    if (absl::SimpleAtod(number->text, &real) && real == std::floor(real) && std::fabs(real) < 9e15)
      return static_cast<std::int64_t>(real);
    return ParseInt(number->text);
  }
  if (const std::string* text = value.if_string()) {
    if (text->empty()) return 0;
    return ParseInt(*text);
  }
  return Mismatch(value, "an integer");
}

absl::StatusOr<double> ToDouble(const Json& value) {
  const absl::StatusOr<std::string> text = ToText(value);
  double number = 0;
  if (!text.ok() || !absl::SimpleAtod(*text, &number)) return Mismatch(value, "a number");
  return number;
}

absl::StatusOr<bool> ToBool(const Json& value) {
  if (const bool* boolean = value.if_bool()) return *boolean;
  const absl::StatusOr<std::string> text = ToText(value);
  if (text.ok()) {
    for (const char* yes : {"1", "t", "T", "true", "TRUE", "True"}) {
      if (*text == yes) return true;
    }
    for (const char* no : {"", "0", "f", "F", "false", "FALSE", "False"}) {
      if (*text == no) return false;
    }
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "cannot parse '' as bool: strconv.ParseBool: parsing ", value.Dump(), ": invalid syntax"));
}

absl::StatusOr<absl::Duration> ToDuration(const Json& value) {
  const absl::StatusOr<std::string> text = ToText(value);
  if (!text.ok()) return Mismatch(value, "a duration");
  if (text->empty()) return absl::ZeroDuration();
  double seconds = 0;
  if (absl::SimpleAtod(*text, &seconds)) return absl::Seconds(seconds);
  // Days are not among Go's units, but Vault adds them.
  std::string_view number = *text;
  double days = 0;
  if (number.ends_with('d') &&
      absl::SimpleAtod(std::string(number.substr(0, number.size() - 1)), &days))
    return days * absl::Hours(24);
  absl::Duration duration;
  if (absl::ParseDuration(*text, &duration)) return duration;
  return absl::InvalidArgumentError(absl::StrCat("time: invalid duration \"", *text, "\""));
}

absl::StatusOr<absl::Time> ToTime(const Json& value) {
  const absl::StatusOr<std::string> text = ToText(value);
  if (!text.ok()) return Mismatch(value, "a time");
  std::int64_t seconds = 0;
  if (absl::SimpleAtoi(*text, &seconds)) return absl::FromUnixSeconds(seconds);
  absl::Time time;
  std::string error;
  if (absl::ParseTime(absl::RFC3339_full, *text, &time, &error)) return time;
  return absl::InvalidArgumentError(
      absl::StrCat("\"", *text, "\" is neither an RFC 3339 time nor seconds since 1970"));
}

// A JSON array as it is; text split at commas; anything else as a list of one.
std::vector<Json> Elements(const Json& value) {
  if (const Json::Array* array = value.if_array()) return *array;
  const std::string* text = value.if_string();
  if (text == nullptr) return {value};
  std::vector<Json> elements;
  for (const absl::string_view part : absl::StrSplit(*text, ',', absl::SkipWhitespace())) {
    elements.emplace_back(std::string(absl::StripAsciiWhitespace(part)));
  }
  return elements;
}

template <typename T>
absl::StatusOr<std::any> ToList(const Json& value, absl::StatusOr<T> (*convert)(const Json&)) {
  std::vector<T> list;
  for (const Json& element : Elements(value)) {
    absl::StatusOr<T> converted = convert(element);
    if (!converted.ok()) return converted.status();
    list.push_back(*std::move(converted));
  }
  return std::any(std::move(list));
}

absl::StatusOr<std::any> ToStringMap(const Json& value) {
  const Json::Object* object = value.if_object();
  if (object == nullptr) return Mismatch(value, "a map of texts");
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
      return ToList<std::string>(value, ToText);
    case FieldType::kInt64List:
      return ToList<std::int64_t>(value, ToInt64);
    case FieldType::kStringMap:
      return ToStringMap(value);
    case FieldType::kJson:
      return std::any(value);
  }
  return absl::InternalError("no such field type");
}

}  // namespace belfry::internal
