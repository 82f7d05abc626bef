#pragma once

#include <iosfwd>
#include <string>
#include <vector>

#include <boost/json/object.hpp>

#include "absl/status/statusor.h"

namespace belfry::cli {

// The secret that the arguments of `kv put` describe. Each is KEY=VALUE, KEY=@file (the file's
// text), KEY=- (the text of `in`), @file or - (a JSON object, of which every member is taken); a
// KEY given again becomes a list; "\@…" is a value that starts with '@'. InvalidArgument with one
// sentence for anything else, for a file that cannot be read, and for a second -.
absl::StatusOr<boost::json::object> ParseSecret(const std::vector<std::string>& arguments,
                                                std::istream& in);

// KEY=VALUE texts as they stand; the last of a KEY counts. InvalidArgument for one without a '='.
absl::StatusOr<boost::json::object> ParsePairs(const std::vector<std::string>& texts);

// "1,2" and repeated flags, as a list of texts. InvalidArgument when one is no version number; the
// first version is 1.
absl::StatusOr<boost::json::array> ParseVersions(const std::vector<std::string>& texts);

}  // namespace belfry::cli
