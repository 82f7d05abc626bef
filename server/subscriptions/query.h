#pragma once

#include <boost/json/object.hpp>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/limits.h"
#include "server/bus/bus.h"
#include "server/bus/filter.h"
#include "server/journal/cursor.h"

namespace belfry::subscriptions {

// The parameters of a subscription, decoded, in order, repeated names kept.
using Query = std::vector<std::pair<std::string, std::string>>;

// Where a subscription that resumes begins.
struct After {
  enum class Place { kEarliest, kLatest, kCursor };
  Place place = Place::kLatest;
  journal::Cursor cursor;  // Where it is one.
};

// What a subscription asks for.
struct Selection {
  std::string type_pattern;
  std::vector<std::string> namespace_patterns;
  bus::Format format = bus::Format::kProtobuf;
  std::shared_ptr<const bus::Filter> filter;  // Shared with the bus; null: everything.
  std::optional<After> after;                 // None: it does not resume.
};

// InvalidArgument, with a sentence for the client, where something is missing, cannot be read or is
// longer than `limits` allow. May take a while: filters are compiled. (vault-api-and-events 3.2)
absl::StatusOr<Selection> ParseSelection(std::string_view type_pattern, const Query& query,
                                         const Limits& limits);

// InvalidArgument when a pattern of types is longer than any event's type.
absl::Status CheckTypePattern(std::string_view pattern, const Limits& limits);

// The namespaces that a subscription means: the root, and what each pattern comes to once its
// slashes and its "." and ".." segments are resolved.
std::vector<std::string> NamespacePatterns(const Query& query);

// What a query asks for, as policies see it: the parameters that a subscription acts on, as it acts
// on them ("namespaces" as NamespacePatterns has them, the first "json" as "true" or "false", the
// first "after", the first "filter" without white space around it, each only where it has an
// effect), and those that it ignores, unless they are one of these in capital letters.
boost::json::object ParametersOf(const Query& query);

}  // namespace belfry::subscriptions
