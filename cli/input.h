#pragma once

#include <iosfwd>
#include <string>

#include "absl/status/statusor.h"

namespace belfry::cli {

// All of a file. InvalidArgument "cannot read the file …", with the system's reason, when it is not
// there, is a folder, or reading it fails.
absl::StatusOr<std::string> ReadFile(const std::string& name);

// All that is left of standard input. InvalidArgument when reading it fails.
absl::StatusOr<std::string> ReadAll(std::istream& in);

}  // namespace belfry::cli
