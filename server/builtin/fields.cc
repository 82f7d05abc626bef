#include "server/builtin/fields.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "base/strings.h"
#include "base/text.h"
#include "belfry/json.h"
#include "sdk/src/field_conversion.h"

namespace belfry::builtin {
namespace {

using internal::ConvertField;
using internal::FieldType;

absl::Status Refusal(std::string_view name, std::string_view why) {
  return absl::InvalidArgumentError(
      Concat({"Field validation failed: error converting input for field \"", name, "\": ", why}));
}

FieldType TypeOf(FieldKind kind) {
  switch (kind) {
    case FieldKind::kText:
      return FieldType::kString;
    case FieldKind::kTextList:
      return FieldType::kStringList;
    case FieldKind::kTextMap:
      return FieldType::kStringMap;
    case FieldKind::kObject:
      return FieldType::kObject;
    case FieldKind::kBool:
    case FieldKind::kJsonBool:
      return FieldType::kBool;
    case FieldKind::kNumber:
    case FieldKind::kJsonNumber:
      return FieldType::kInt64;
    case FieldKind::kDuration:
    case FieldKind::kSignedDuration:
    case FieldKind::kLeaseTime:
      break;
  }
  return FieldType::kDuration;
}

bool IsText(const Json& value) {
  return value.if_string() != nullptr;
}

bool IsEmptyText(const Json& value) {
  return IsText(value) && value.if_string()->empty();
}

// Whether it is as good as not given.
bool IsAbsent(const Json& value, FieldKind kind) {
  if (value.is_null()) return true;
  switch (kind) {
    case FieldKind::kText:
    case FieldKind::kTextList:
    case FieldKind::kTextMap:
    case FieldKind::kObject:
    case FieldKind::kJsonBool:
    case FieldKind::kJsonNumber:
      return false;
    default:
      return IsEmptyText(value);
  }
}

bool IsName(const Json& value) {
  return IsText(value) && !Stripped(*value.if_string()).empty();
}

// A list that names nothing must not pass for one that was left out or is empty, which may mean
// everything.
bool IsTextList(const Json& value) {
  if (IsEmptyText(value)) return true;
  if (IsText(value)) return value.if_string()->find_first_not_of(" \t\r\n,") != std::string::npos;
  const Json::Array* items = value.if_array();
  return items != nullptr && std::ranges::all_of(*items, &IsName);
}

absl::StatusOr<std::any> NotNegative(absl::StatusOr<std::any> duration, const Json& value) {
  if (!duration.ok() || std::any_cast<absl::Duration>(*duration) >= absl::ZeroDuration()) {
    return duration;
  }
  std::string text = IsText(value) ? *value.if_string() : value.Dump();
  return absl::InvalidArgumentError(Concat({"cannot provide negative value '", text, "'"}));
}

absl::StatusOr<std::any> Converted(const Json& value, FieldKind kind) {
  if (kind == FieldKind::kTextList && !IsTextList(value)) {
    return absl::InvalidArgumentError(
        "a list of texts that are not empty, or one text with commas, is needed");
  }
  if (kind == FieldKind::kJsonBool && value.if_bool() == nullptr)
    return absl::InvalidArgumentError("true or false is needed");
  if (kind == FieldKind::kJsonNumber && value.if_number() == nullptr)
    return absl::InvalidArgumentError("a whole number is needed");
  if (kind == FieldKind::kObject && value.if_object() == nullptr) {
    return absl::InvalidArgumentError("an object is needed");
  }
  if (kind == FieldKind::kLeaseTime && IsText(value) && *value.if_string() == "system") {
    return std::any(absl::ZeroDuration());
  }
  absl::StatusOr<std::any> converted = ConvertField(value, TypeOf(kind));
  const bool positive = kind == FieldKind::kDuration || kind == FieldKind::kLeaseTime;
  return positive ? NotNegative(std::move(converted), value) : converted;
}

// "config.max_lease_ttl" is a member of the object "config".
const Json* FindField(const Json& data, std::string_view name) {
  const std::size_t dot = name.find('.');
  const Json* value = data.Find(name.substr(0, dot));
  if (dot == std::string_view::npos || value == nullptr) return value;
  return value->Find(name.substr(dot + 1));
}

bool IsDeclared(std::span<const DeclaredField> declared, std::string_view name) {
  return std::ranges::any_of(declared,
                             [name](const DeclaredField& field) { return field.name == name; });
}

bool IsDeclaredObject(std::span<const DeclaredField> declared, std::string_view name) {
  return std::ranges::any_of(declared, [name](const DeclaredField& field) {
    return field.name == name && field.kind == FieldKind::kObject;
  });
}

// The members of `data` that are not declared, each after `prefix`; no deeper than objects are
// declared.
std::vector<std::string> UnknownIn(const Json& data, std::span<const DeclaredField> declared,
                                   std::string_view prefix) {
  std::vector<std::string> unknown;
  const Json::Object* const members = data.if_object();
  if (members == nullptr) return unknown;
  for (const auto& [member, value] : *members) {
    if (value.is_null() || IsEmptyText(value)) continue;
    const std::string name = Concat({prefix, member});
    // What is declared with a dot is no member of the whole.
    const bool apart = prefix.empty() && member.find('.') != std::string::npos;
    if (apart || !IsDeclared(declared, name)) {
      unknown.push_back(name);
    } else if (IsDeclaredObject(declared, name)) {
      for (std::string& below : UnknownIn(value, declared, Concat({name, "."})))
        unknown.push_back(std::move(below));
    }
  }
  return unknown;
}

}  // namespace

absl::StatusOr<Fields> Fields::Read(std::span<const DeclaredField> declared,
                                    std::string_view data) {
  const absl::StatusOr<Json> parsed = Json::Parse(data);
  if (!parsed.ok()) return parsed.status();
  Fields fields;
  fields.declared_ = declared;
  for (const DeclaredField& field : declared) {
    const Json* value = FindField(*parsed, field.name);
    if (value == nullptr || IsAbsent(*value, field.kind)) continue;
    absl::StatusOr<std::any> converted = Converted(*value, field.kind);
    if (!converted.ok()) return Refusal(field.name, ToStd(converted.status().message()));
    fields.values_.emplace(field.name, *std::move(converted));
  }
  fields.unknown_ = UnknownIn(*parsed, declared, "");
  return fields;
}

template <typename T>
T Fields::Get(std::string_view name, T otherwise) const {
  // What is not declared has not been converted, and would be taken for missing.
  assert(IsDeclared(declared_, name));
  const auto found = values_.find(name);
  if (found == values_.end()) return otherwise;
  const T* value = std::any_cast<T>(&found->second);
  assert(value != nullptr);
  return value == nullptr ? otherwise : *value;
}

bool Fields::Has(std::string_view name) const {
  assert(IsDeclared(declared_, name));
  return values_.contains(name);
}

std::string Fields::Text(std::string_view name) const {
  return Get<std::string>(name, "");
}

bool Fields::Bool(std::string_view name, bool otherwise) const {
  return Get<bool>(name, otherwise);
}

std::int64_t Fields::Number(std::string_view name) const {
  return Get<std::int64_t>(name, 0);
}

absl::Duration Fields::Duration(std::string_view name) const {
  return Get<absl::Duration>(name, absl::ZeroDuration());
}

std::vector<std::string> Fields::List(std::string_view name) const {
  return Get<std::vector<std::string>>(name, {});
}

std::map<std::string, std::string> Fields::Map(std::string_view name) const {
  return Get<std::map<std::string, std::string>>(name, {});
}

}  // namespace belfry::builtin
