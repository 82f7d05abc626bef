#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace belfry::access::hcl {

// Where something stands in a text: both count from 1, columns in characters. A line of 0 is no
// place.
struct Position {
  int line = 0;
  int column = 0;
};

// "2:1", or "-" for no place.
std::string ToText(Position position);

// InvalidArgument "At 2:1: what".
absl::Status ErrorAt(Position position, std::string_view what);

// The text in quotes, as Go quotes it: tools compare the errors that it is part of. Parse reads it
// as the same text, unless that has "${" in it.
std::string Quoted(std::string_view text);

struct Key {
  std::string text;  // Without its quotes.
  Position position;
};

struct Item;

struct Value {
  enum class Kind { kString, kNumber, kFloat, kBool, kList, kObject };
  Kind kind = Kind::kString;
  Position position;
  std::string text;          // Of a string, what it says; of a number or bool, as it was written.
  std::vector<Value> list;   // Of a list.
  std::vector<Item> object;  // Of an object, in the order of the text.
};

// `key = value`, or a block `key "label" { … }` with a key for each label.
struct Item {
  std::vector<Key> keys;
  Position assign;  // Of the '='; no place for a block.
  Value value;
};

// What becomes of `a = 1` behind another `a = …` of the same object.
enum class Repeats {
  kRefused,  // As Vault refuses it in policies; but not in JSON.
  kKept      // Both are items of the result.
};

// The items of a text in the first version of HashiCorp's configuration language, or, when it
// begins with a brace, of a JSON object. Objects in JSON whose members are all objects become items
// with several keys, as blocks are. Errors are InvalidArgument with a position, as
// github.com/hashicorp/hcl v1 has it; where we accept or refuse something that it does not,
// tests/differential lists it with the reason. Pure, thread-safe. (vault-api-and-events 5.1)
absl::StatusOr<std::vector<Item>> Parse(std::string_view text, Repeats repeats = Repeats::kRefused);

// Deeper nesting is refused.
inline constexpr int kMaxDepth = 100;

}  // namespace belfry::access::hcl
