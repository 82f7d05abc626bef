#pragma once

#include <any>
#include <string_view>
#include <typeinfo>

#include "absl/status/statusor.h"
#include "belfry/json.h"

namespace belfry::internal {

// The types that a field may have; one for each T of FieldKey.
enum class FieldType {
  kString,
  kInt64,
  kDouble,
  kBool,
  kDuration,
  kTime,
  kStringList,
  kInt64List,
  kStringMap,
  kObject,
  kJson
};

// Stops the program when the type is none of FieldKey's.
FieldType FieldTypeOf(const std::type_info& type);
// Its name in help texts.
std::string_view FieldTypeName(FieldType type);
// The value of a field that was not given and has no default.
std::any ZeroValue(FieldType type);

// A field's value as a client would write it. Durations are text such as "1h30m".
Json FieldToJson(const std::any& value, FieldType type);

// As Vault's framework converts, leniently: "5" and "0x5" are integers, 5 a text, "24h" and 86400
// are durations, "a,b" is a list, a list of objects is the object of all their members; null is the
// type's zero. But a number is what it is written as: 1.5 is no integer, and no duration.
// InvalidArgument with the text that follows 'error converting input for field "x": '. It repeats
// nothing of the value, which may be a secret.
absl::StatusOr<std::any> ConvertField(const Json& value, FieldType type);

}  // namespace belfry::internal
