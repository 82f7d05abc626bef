// The fields of a request: any JSON value as each type that a field may have.

#include "sdk/src/field_conversion.h"

#include <any>
#include <array>
#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "tests/fuzz/fuzz.h"

namespace belfry::internal {
namespace {

constexpr std::array kTypes = {FieldType::kString,     FieldType::kInt64,     FieldType::kDouble,
                               FieldType::kBool,       FieldType::kDuration,  FieldType::kTime,
                               FieldType::kStringList, FieldType::kInt64List, FieldType::kStringMap,
                               FieldType::kObject,     FieldType::kJson};

// The value as JSON again, where that says all of it.
template <typename T>
Json AsJson(const std::vector<T>& list) {
  return Json::Array(list.begin(), list.end());
}
Json AsJson(const std::map<std::string, std::string>& map) {
  return Json::Object(map.begin(), map.end());
}
Json AsJson(const auto& value) {
  return value;
}

// What was converted once is its own conversion.
template <typename T>
void ExamineAs(const std::any& converted, FieldType type) {
  const T* value = std::any_cast<T>(&converted);
  BELFRY_CLAIM(value != nullptr);
  const absl::StatusOr<std::any> again = ConvertField(AsJson(*value), type);
  BELFRY_CLAIM(again.ok());
  BELFRY_CLAIM(*std::any_cast<T>(&*again) == *value);
}

void ExamineAs(const std::any& converted, FieldType type) {
  switch (type) {
    case FieldType::kString:
      return ExamineAs<std::string>(converted, type);
    case FieldType::kInt64:
      return ExamineAs<std::int64_t>(converted, type);
    case FieldType::kBool:
      return ExamineAs<bool>(converted, type);
    case FieldType::kStringList:
      return ExamineAs<std::vector<std::string>>(converted, type);
    case FieldType::kInt64List:
      return ExamineAs<std::vector<std::int64_t>>(converted, type);
    case FieldType::kStringMap:
      return ExamineAs<std::map<std::string, std::string>>(converted, type);
    case FieldType::kObject:
      return ExamineAs<Json::Object>(converted, type);
    case FieldType::kJson:
      return ExamineAs<Json>(converted, type);
    case FieldType::kDouble:
      // JSON has no infinities.
      if (!std::isfinite(std::any_cast<double>(converted))) return;
      return ExamineAs<double>(converted, type);
    case FieldType::kDuration:
      BELFRY_CLAIM(std::any_cast<absl::Duration>(&converted) != nullptr);
      return;
    case FieldType::kTime:
      BELFRY_CLAIM(std::any_cast<absl::Time>(&converted) != nullptr);
      return;
  }
}

}  // namespace
}  // namespace belfry::internal

void belfry::fuzz::Examine(std::string_view input) {
  const absl::StatusOr<Json> value = Json::Parse(input);
  if (!value.ok()) return;
  for (const internal::FieldType type : internal::kTypes) {
    const absl::StatusOr<std::any> converted = internal::ConvertField(*value, type);
    if (converted.ok()) {
      internal::ExamineAs(*converted, type);
    } else {
      BELFRY_CLAIM(converted.status().code() == absl::StatusCode::kInvalidArgument);
    }
  }
}
