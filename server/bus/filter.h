#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "base/limits.h"
#include "server/bus/event_fields.h"

namespace belfry::bus {

// A condition on events, such as `operation == "data-write" and data_path matches "^secret/"`.
// Immutable and thread-safe.
class Filter {
 public:
  // Reads an expression of github.com/hashicorp/go-bexpr over the names of EventFields, of which
  // name_space is called namespace. InvalidArgument, with the place in the text, when it is none,
  // and also when it could never hold of any event: an unknown field, a regular expression that is
  // none, a value that is not of its field's type, a mount without its '/' or a namespace "root"
  // without which the rest does not hold, or more than the limits allow.
  // (vault-api-and-events 2.7, docs/decisions/0005)
  static absl::StatusOr<std::shared_ptr<const Filter>> Parse(std::string_view text,
                                                             const Limits& limits);
  virtual ~Filter() = default;

  virtual const std::string& text() const = 0;
  virtual bool Matches(const EventFields& event) const = 0;
};

}  // namespace belfry::bus
