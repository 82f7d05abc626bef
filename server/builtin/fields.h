#pragma once

#include <any>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/mounts/engine.h"

namespace belfry::builtin {

// What a field may hold. The SDK's fields convert alike (sdk/src/field_conversion.h); where a wrong
// type could pass for another value that means something, less is taken: only texts in lists, no
// list as an object.
enum class FieldKind {
  kText,      // A number or a boolean is a text, too.
  kTextList,  // Or one text with commas.
  kTextMap,   // An object of texts, numbers and booleans.
  kObject,    // Its members are declared as "name.member".
  kBool,      // Or "true", "1" …
  kNumber,    // A whole number, or one as a text.
  // Nothing but true and false, and nothing but a number: where Go's JSON decides, as Vault has it
  // for what is answered without a token.
  kJsonBool,
  kJsonNumber,
  kDuration,        // Seconds, or a text such as "1h30m"; not negative.
  kSignedDuration,  // May be negative.
  kLeaseTime,       // A kDuration, or "system" for zero.
};

struct DeclaredField {
  std::string_view name;
  FieldKind kind;
};

// The fields of one request, converted. What is missing or null has the value given as `otherwise`,
// or none; so has an empty text where a number, a boolean or a duration is declared. Only what is
// declared may be asked for. A value object; one thread at a time.
class Fields {
 public:
  Fields() = default;
  // `data` is the text of a JSON object or null. InvalidArgument, in Vault's words and with the
  // field's name, when a field cannot be converted.
  static absl::StatusOr<Fields> Read(std::span<const DeclaredField> declared,
                                     std::string_view data);

  bool Has(std::string_view name) const;
  std::string Text(std::string_view name) const;
  bool Bool(std::string_view name, bool otherwise = false) const;
  std::int64_t Number(std::string_view name) const;
  absl::Duration Duration(std::string_view name) const;
  std::vector<std::string> List(std::string_view name) const;
  std::map<std::string, std::string> Map(std::string_view name) const;

  // The names that are not declared and are neither null nor an empty text. Of a kObject, also
  // its members: "config.ttl".
  const std::vector<std::string>& unknown() const { return unknown_; }

 private:
  template <typename T>
  T Get(std::string_view name, T otherwise) const;

  std::span<const DeclaredField> declared_;
  std::map<std::string, std::any, std::less<>> values_;
  std::vector<std::string> unknown_;
};

}  // namespace belfry::builtin
