#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/limits.h"

namespace belfry::bus::bexpr {

// The value that a comparison looks at: the same path for `a.b`, `a["b"]` and "/a/b".
struct Selector {
  std::vector<std::string> path;
  std::size_t offset = 0;  // Where it begins in the text.
};

struct Value {
  std::string text;  // What a string says, escapes resolved; a word or number as it was written.
  std::size_t offset = 0;
};

enum class Operator { kEqual, kContains, kMatches, kIsEmpty };

struct Comparison {
  Selector selector;
  Operator operation = Operator::kEqual;
  bool negated = false;
  Value value;  // Not of kIsEmpty.
};

struct Expression {
  enum class Kind { kComparison, kNot, kAnd, kOr };
  Kind kind = Kind::kComparison;
  Comparison comparison;             // Of kComparison.
  std::vector<Expression> operands;  // One of kNot, two or more of kAnd and kOr.
};

// What an expression of github.com/hashicorp/go-bexpr v0.1 says; no names are looked up and no
// values converted. Errors are InvalidArgument with the place, in that module's words; where we
// differ, tests/differential lists it with the reason. Time is linear in the length of the text.
// Pure, thread-safe. (vault-api-and-events 2.7)
absl::StatusOr<Expression> Parse(std::string_view text, const Limits& limits);

// InvalidArgument "1:5 (4): what": line and column, which count from 1, and the offset in bytes. A
// line feed stands in column 0 of the line that it begins.
absl::Status ErrorAt(std::string_view text, std::size_t offset, std::string_view what);

}  // namespace belfry::bus::bexpr
