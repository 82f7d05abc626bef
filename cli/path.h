#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace belfry::cli {

// A path as a user types it, in the one spelling that a server acts on: without white space and
// slashes around it, empty segments and "." ("secret/a//b/" is "secret/a/b"); ".." takes the
// segment before it away. May be empty. InvalidArgument for a ".." without a segment before it.
absl::StatusOr<std::string> CleanPath(std::string_view path);

// The same, but InvalidArgument "<name> must not be empty" for a path of which nothing is left.
absl::StatusOr<std::string> CleanPath(std::string_view path, std::string_view name);

}  // namespace belfry::cli
