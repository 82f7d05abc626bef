// Reads filters and says what they mean. The first line of standard input is a JSON array of
// events, {"event_type", "operation", "source_plugin_mount", "data_path", "namespace",
// "source_plugin_is_local"}; each further line is the text of one filter in base64. Each line of
// output answers one: {"tree" or "error", "matches" or "refusal"}, matches with a 0 or 1 for each
// event. The Go test beside it asks HashiCorp's module the same.
#include <boost/json.hpp>
#include <iostream>

#include "absl/strings/escaping.h"
#include "base/text.h"
#include "server/bus/bexpr.h"
#include "server/bus/filter.h"

namespace belfry::bus {
namespace {

namespace json = boost::json;
using bexpr::Expression;

// Bytes that are no UTF-8 have no place in JSON.
std::string Hex(std::string_view text) {
  return std::string(absl::BytesToHexString(ToAbsl(text)));
}

json::value TreeOf(const bexpr::Comparison& comparison) {
  constexpr std::string_view kNames[] = {"Equal", "In", "Matches", "Is Empty"};
  constexpr std::string_view kNegatedNames[] = {"Not Equal", "Not In", "Not Matches",
                                                "Is Not Empty"};
  const auto at = static_cast<std::size_t>(comparison.operation);
  json::array path;
  for (const std::string& part : comparison.selector.path) path.emplace_back(Hex(part));
  return json::object{{"path", std::move(path)},
                      {"operator", (comparison.negated ? kNegatedNames : kNames)[at]},
                      {"value", Hex(comparison.value.text)}};
}

// Chains as pairs of the first operand and the rest.
json::value TreeOf(const Expression& expression, std::size_t from = 0) {
  switch (expression.kind) {
    case Expression::Kind::kComparison:
      return TreeOf(expression.comparison);
    case Expression::Kind::kNot:
      return json::object{{"not", TreeOf(expression.operands.front())}};
    case Expression::Kind::kAnd:
    case Expression::Kind::kOr:
      break;
  }
  json::value first = TreeOf(expression.operands[from]);
  if (from + 1 == expression.operands.size()) return first;
  return json::object{{expression.kind == Expression::Kind::kAnd ? "and" : "or",
                       json::array{std::move(first), TreeOf(expression, from + 1)}}};
}

std::vector<EventFields> EventsOf(const json::array& described) {
  std::vector<EventFields> events;
  for (const json::value& event : described) {
    const auto text = [&event](std::string_view name) {
      const json::string& value = event.at(name).as_string();
      return std::string_view(value.data(), value.size());
    };
    events.push_back({.event_type = text("event_type"),
                      .operation = text("operation"),
                      .source_plugin_mount = text("source_plugin_mount"),
                      .data_path = text("data_path"),
                      .name_space = text("namespace"),
                      .source_plugin_is_local = event.at("source_plugin_is_local").as_bool()});
  }
  return events;
}

json::object Answer(const std::string& text, const std::vector<EventFields>& events) {
  json::object answer;
  if (const auto expression = bexpr::Parse(text, Limits()); expression.ok()) {
    answer["tree"] = TreeOf(*expression);
  } else {
    answer["error"] = std::string(ToStd(expression.status().message()));
  }
  const auto filter = Filter::Parse(text, Limits());
  if (!filter.ok()) {
    answer["refusal"] = std::string(ToStd(filter.status().message()));
    return answer;
  }
  std::string matches;
  for (const EventFields& event : events) matches += (*filter)->Matches(event) ? '1' : '0';
  answer["matches"] = matches;
  return answer;
}

}  // namespace
}  // namespace belfry::bus

int main() {
  std::ios::sync_with_stdio(false);
  std::string line;
  std::getline(std::cin, line);
  const boost::json::value described = boost::json::parse(line);
  const std::vector<belfry::bus::EventFields> events = belfry::bus::EventsOf(described.as_array());
  while (std::getline(std::cin, line)) {
    std::string text;
    if (!absl::Base64Unescape(line, &text)) return 1;
    std::cout << belfry::bus::Answer(text, events) << "\n";
  }
}
