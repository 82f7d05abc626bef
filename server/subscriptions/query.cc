#include "server/subscriptions/query.h"

#include <algorithm>
#include <boost/json/array.hpp>
#include <map>
#include <optional>

#include "base/strings.h"
#include "base/text.h"
#include "server/bus/bexpr_hint.h"

namespace belfry::subscriptions {
namespace {

const std::string* FirstValue(const Query& query, std::string_view name) {
  const auto found = std::ranges::find_if(
      query, [name](const auto& parameter) { return parameter.first == name; });
  return found == query.end() ? nullptr : &found->second;
}

absl::Status CheckNamespacePatterns(const std::vector<std::string>& patterns,
                                    const Limits& limits) {
  if (patterns.size() > limits.max_namespace_patterns) {
    return absl::InvalidArgumentError(
        Concat({"a subscription has at most ", std::to_string(limits.max_namespace_patterns),
                " namespace patterns, of which one is the root's"}));
  }
  const bool too_long = std::ranges::any_of(patterns, [&](const auto& pattern) {
    return pattern.size() > limits.max_namespace_pattern_bytes;
  });
  if (!too_long) return absl::OkStatus();
  return absl::InvalidArgumentError(
      Concat({"a namespace pattern has at most ",
              std::to_string(limits.max_namespace_pattern_bytes), " bytes"}));
}

// It is kept as long as the subscription: policies that change later are asked about it.
absl::Status CheckSize(const Query& query, const Limits& limits) {
  const std::size_t most =
      limits.max_filter_bytes + limits.max_namespace_patterns * limits.max_namespace_pattern_bytes;
  std::size_t bytes = 0;
  for (const auto& [name, value] : query) bytes += name.size() + value.size();
  if (bytes <= most) return absl::OkStatus();
  return absl::InvalidArgumentError(
      Concat({"the parameters of a subscription may have ", std::to_string(most), " bytes"}));
}

absl::StatusOr<bus::Format> ParseFormat(const Query& query) {
  const std::string* const json = FirstValue(query, "json");
  if (json == nullptr || json->empty()) return bus::Format::kProtobuf;
  const std::optional<bool> value = ParseBool(*json);
  if (!value) {
    return absl::InvalidArgumentError(Concat({"invalid parameter for JSON: ", *json}));
  }
  return *value ? bus::Format::kCloudEventsJson : bus::Format::kProtobuf;
}

absl::StatusOr<std::shared_ptr<const bus::Filter>> ParseFilter(const Query& query,
                                                               const Limits& limits) {
  const std::string* const text = FirstValue(query, "filter");
  if (text == nullptr || Stripped(*text).empty()) return nullptr;
  auto filter = bus::Filter::Parse(Stripped(*text), limits);
  if (filter.ok()) return filter;
  const std::string hint = bus::bexpr::HintFor(Stripped(*text));
  return absl::InvalidArgumentError(Concat({"invalid filter: ", ToStd(filter.status().message()),
                                            hint.empty() ? "" : "; hint: ", hint}));
}

absl::StatusOr<std::optional<After>> ParseAfter(const Query& query) {
  const std::string* const text = FirstValue(query, "after");
  if (text == nullptr) return std::nullopt;
  if (*text == "earliest") return After{.place = After::Place::kEarliest, .cursor = {}};
  if (*text == "latest") return After{.place = After::Place::kLatest, .cursor = {}};
  if (std::optional<journal::Cursor> cursor = journal::Cursor::Parse(*text))
    return After{.place = After::Place::kCursor, .cursor = *std::move(cursor)};
  return absl::InvalidArgumentError(
      "invalid parameter for after: it is earliest, latest, or the cursor of a message");
}

std::string CleanPattern(std::string_view pattern) {
  std::vector<std::string_view> segments;
  for (std::string_view segment : Split(pattern, '/')) {
    if (segment.empty() || segment == ".") continue;
    if (segment == "..") {
      if (!segments.empty()) segments.pop_back();
      continue;
    }
    segments.push_back(segment);
  }
  std::string clean;
  for (std::string_view segment : segments) {
    if (!clean.empty()) clean += '/';
    clean += segment;
  }
  return clean;
}

}  // namespace

absl::Status CheckTypePattern(std::string_view pattern, const Limits& limits) {
  if (pattern.size() <= limits.max_event_type_bytes) return absl::OkStatus();
  return absl::InvalidArgumentError(Concat(
      {"an event type has at most ", std::to_string(limits.max_event_type_bytes), " bytes"}));
}

absl::StatusOr<Selection> ParseSelection(std::string_view type_pattern, const Query& query,
                                         const Limits& limits) {
  if (type_pattern.empty()) {
    return absl::InvalidArgumentError("did not specify eventType to subscribe to");
  }
  if (absl::Status status = CheckTypePattern(type_pattern, limits); !status.ok()) return status;
  Selection selection{.type_pattern = std::string(type_pattern),
                      .namespace_patterns = NamespacePatterns(query)};
  if (absl::Status status = CheckNamespacePatterns(selection.namespace_patterns, limits);
      !status.ok()) {
    return status;
  }
  const absl::StatusOr<bus::Format> format = ParseFormat(query);
  if (!format.ok()) return format.status();
  selection.format = *format;
  auto filter = ParseFilter(query, limits);
  if (!filter.ok()) return filter.status();
  selection.filter = *std::move(filter);
  absl::StatusOr<std::optional<After>> after = ParseAfter(query);
  if (!after.ok()) return after.status();
  selection.after = *std::move(after);
  if (absl::Status status = CheckSize(query, limits); !status.ok()) return status;
  return selection;
}

std::vector<std::string> NamespacePatterns(const Query& query) {
  std::vector<std::string> patterns = {""};
  for (const auto& [name, value] : query) {
    if (name != "namespaces") continue;
    std::string pattern = CleanPattern(Stripped(value));
    if (!pattern.empty()) patterns.push_back(std::move(pattern));
  }
  return patterns;
}

boost::json::object ParametersOf(const Query& query) {
  std::map<std::string, boost::json::array> values;
  for (const auto& [name, value] : query) {
    const std::string lower = Lower(name);
    if (lower == "namespaces" || lower == "json" || lower == "filter" || lower == "after") continue;
    values[name].emplace_back(value);
  }
  const std::vector<std::string> namespaces = NamespacePatterns(query);
  for (auto it = namespaces.begin() + 1; it != namespaces.end(); ++it) {
    values["namespaces"].emplace_back(*it);
  }
  if (const std::string* json = FirstValue(query, "json"); json != nullptr && !json->empty()) {
    const std::optional<bool> value = ParseBool(*json);
    values["json"].emplace_back(!value ? *json : *value ? "true" : "false");
  }
  if (const std::string* after = FirstValue(query, "after")) values["after"].emplace_back(*after);
  const std::string* filter = FirstValue(query, "filter");
  if (filter != nullptr && !Stripped(*filter).empty()) {
    values["filter"].emplace_back(std::string(Stripped(*filter)));
  }
  boost::json::object parameters;
  for (auto& [name, all] : values) {
    if (all.size() == 1) {
      parameters[name] = std::move(all.front());
    } else {
      parameters[name] = std::move(all);
    }
  }
  return parameters;
}

}  // namespace belfry::subscriptions
