#include "server/access/policy_attributes.h"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <charconv>
#include <cstdint>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "base/duration.h"
#include "base/text.h"

namespace belfry::access {
namespace {

using Kind = hcl::Value::Kind;

// The item without its first key, which is the attribute's name.
bool IsBlockWithLabels(const hcl::Item& item) {
  return item.keys.size() > 1;
}

absl::Status NotText(hcl::Position position, std::string_view name) {
  return hcl::ErrorAt(position, Concat({name, " must be a string in quotes"}));
}

absl::Status NotList(hcl::Position position, std::string_view name) {
  return hcl::ErrorAt(position, Concat({name, " must be a list: [\"…\", …]"}));
}

bool IsText(const hcl::Value& value) {
  return value.kind == Kind::kString || value.kind == Kind::kNumber;
}

// The whole text as a number.
std::optional<std::int64_t> ToInteger(std::string_view text, int base) {
  if (text.starts_with('+') && !text.starts_with("+-")) text.remove_prefix(1);
  std::int64_t value = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, value, base);
  return error == std::errc() && rest == end ? std::optional(value) : std::nullopt;
}

// A whole number as HCL writes it: decimal, 0755 or 0x1f.
std::optional<std::int64_t> ToInteger(std::string_view text) {
  const std::string_view sign = text.starts_with('-') ? "-" : "";
  std::string_view digits = text.substr(sign.size());
  if (digits.starts_with("0x") || digits.starts_with("0X")) {
    return ToInteger(Concat({sign, digits.substr(2)}), 16);
  }
  return ToInteger(text, digits.size() > 1 && digits.starts_with('0') ? 8 : 10);
}

absl::StatusOr<boost::json::value> ToJson(const hcl::Value& value);

absl::Status AddMember(const hcl::Item& item, std::size_t key, boost::json::object* object) {
  const std::string& name = item.keys[key].text;
  if (key + 1 < item.keys.size()) {
    boost::json::value& inner = (*object)[name];
    if (!inner.is_object()) inner.emplace_object();
    return AddMember(item, key + 1, &inner.get_object());
  }
  absl::StatusOr<boost::json::value> value = ToJson(item.value);
  if (!value.ok()) return value.status();
  (*object)[name] = *std::move(value);
  return absl::OkStatus();
}

absl::StatusOr<boost::json::value> ToJsonNumber(const hcl::Value& value) {
  if (value.kind == Kind::kNumber) {
    if (const std::optional<std::int64_t> number = ToInteger(value.text)) return *number;
  } else if (double number = 0; absl::SimpleAtod(ToAbsl(value.text), &number)) {
    return number;
  }
  return hcl::ErrorAt(value.position, Concat({"the number ", value.text, " is out of range"}));
}

absl::StatusOr<boost::json::value> ToJsonList(const hcl::Value& value) {
  boost::json::array list;
  for (const hcl::Value& element : value.list) {
    absl::StatusOr<boost::json::value> converted = ToJson(element);
    if (!converted.ok()) return converted.status();
    list.push_back(*std::move(converted));
  }
  return list;
}

absl::StatusOr<boost::json::value> ToJson(const hcl::Value& value) {
  switch (value.kind) {
    case Kind::kString:
      return boost::json::value(value.text);
    case Kind::kBool:
      return boost::json::value(value.text == "true");
    case Kind::kNumber:
    case Kind::kFloat:
      return ToJsonNumber(value);
    case Kind::kList:
      return ToJsonList(value);
    case Kind::kObject:
      break;
  }
  boost::json::object object;
  for (const hcl::Item& item : value.object) {
    if (absl::Status status = AddMember(item, 0, &object); !status.ok()) return status;
  }
  return object;
}

// `"x" = ["a", "b"]` below one of the parameter attributes; `key` is the one that says x.
absl::Status ReadParameter(std::string_view name, const hcl::Item& item, std::size_t key,
                           ParameterRules* rules) {
  if (item.keys.size() > key + 1) {
    return hcl::ErrorAt(
        item.keys[key].position,
        Concat({"a parameter in ", name, " has one name and a list: \"…\" = [\"…\", …]"}));
  }
  const hcl::Value& value = item.value;
  std::vector<boost::json::value>& values =
      (*rules)[absl::AsciiStrToLower(ToAbsl(item.keys[key].text))];
  if (value.kind == Kind::kObject) {
    absl::StatusOr<boost::json::value> object = ToJson(value);
    if (!object.ok()) return object.status();
    values.push_back(*std::move(object));
    return absl::OkStatus();
  }
  if (value.kind != Kind::kList) {
    return NotList(value.position, Concat({"the parameter ", hcl::Quoted(item.keys[key].text)}));
  }
  for (const hcl::Value& element : value.list) {
    absl::StatusOr<boost::json::value> converted = ToJson(element);
    if (!converted.ok()) return converted.status();
    values.push_back(*std::move(converted));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ReadText(std::string_view name, const hcl::Item& item, std::string* text) {
  const hcl::Value& value = item.value;
  if (IsBlockWithLabels(item)) return NotText(item.keys[1].position, name);
  if (!IsText(value)) return NotText(value.position, name);
  *text = value.text;
  return absl::OkStatus();
}

absl::Status ReadTexts(std::string_view name, const hcl::Item& item,
                       std::vector<std::string>* texts) {
  const hcl::Value& value = item.value;
  if (IsBlockWithLabels(item)) return NotList(item.keys[1].position, name);
  if (value.kind == Kind::kObject) {
    if (value.object.empty()) return absl::OkStatus();
    return NotList(value.position, name);
  }
  if (value.kind != Kind::kList) {
    return NotList(value.position, name);
  }
  for (std::size_t i = 0; i < value.list.size(); ++i) {
    const hcl::Value& element = value.list[i];
    if (!IsText(element)) {
      return NotText(element.position, Concat({name, "[", std::to_string(i), "]"}));
    }
    texts->push_back(element.text);
  }
  return absl::OkStatus();
}

absl::Status ReadParameters(std::string_view name, const hcl::Item& item, ParameterRules* rules) {
  if (IsBlockWithLabels(item)) return ReadParameter(name, item, 1, rules);
  const hcl::Value& value = item.value;
  if (value.kind != Kind::kObject) {
    return hcl::ErrorAt(value.position,
                        Concat({name, " must be a block of lists: ", name, " = { \"…\" = [] }"}));
  }
  for (const hcl::Item& parameter : value.object) {
    if (absl::Status status = ReadParameter(name, parameter, 0, rules); !status.ok()) {
      return status;
    }
  }
  return absl::OkStatus();
}

absl::Status ReadDuration(std::string_view name, const hcl::Item& item, absl::Duration* duration) {
  const hcl::Value& value = item.value;
  std::optional<absl::Duration> read;
  if (IsBlockWithLabels(item)) {
    read = std::nullopt;
  } else if (value.kind == Kind::kNumber) {
    if (const auto seconds = ToInteger(value.text)) read = DurationOfSeconds(*seconds);
  } else if (double number = 0; value.kind == Kind::kFloat) {
    if (absl::SimpleAtod(ToAbsl(value.text), &number))
      read = DurationOfSeconds(static_cast<std::int64_t>(number));
  } else if (value.kind == Kind::kString) {
    read = ParseDuration(value.text);
  }
  if (!read) {
    return absl::InvalidArgumentError(
        Concat({"error parsing ", name, ": at ", hcl::ToText(value.position),
                ": could not parse duration from input; write seconds or a text such as \"90s\""}));
  }
  *duration = *read;
  return absl::OkStatus();
}

}  // namespace belfry::access
