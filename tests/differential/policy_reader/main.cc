// Reads policies and says what they mean: each line of standard input is a JSON string with the
// text of one policy, each line of output the answer, {"tree", "tree_error", "policy",
// "policy_error"}. The Go test beside it asks HashiCorp's parser the same.
#include <boost/json.hpp>
#include <iostream>

#include "base/text.h"
#include "server/access/hcl.h"
#include "server/access/policy.h"

namespace belfry::access {
namespace {

namespace json = boost::json;

json::array TreeOf(const std::vector<hcl::Item>& items);

json::value TreeOf(const hcl::Value& value) {
  switch (value.kind) {
    case hcl::Value::Kind::kString:
      return json::object{{"string", value.text}};
    case hcl::Value::Kind::kNumber:
      return json::object{{"number", value.text}};
    case hcl::Value::Kind::kFloat:
      return json::object{{"float", value.text}};
    case hcl::Value::Kind::kBool:
      return json::object{{"bool", value.text}};
    case hcl::Value::Kind::kObject:
      return json::object{{"object", TreeOf(value.object)}};
    case hcl::Value::Kind::kList:
      break;
  }
  json::array list;
  for (const hcl::Value& element : value.list) list.push_back(TreeOf(element));
  return json::object{{"list", std::move(list)}};
}

json::array TreeOf(const std::vector<hcl::Item>& items) {
  json::array tree;
  for (const hcl::Item& item : items) {
    json::array keys;
    for (const hcl::Key& key : item.keys) keys.emplace_back(key.text);
    tree.push_back(json::object{
        {"keys", std::move(keys)}, {"line", item.assign.line}, {"value", TreeOf(item.value)}});
  }
  return tree;
}

json::object Parameters(const ParameterRules& rules) {
  json::object parameters;
  for (const auto& [name, values] : rules) {
    parameters[name] = json::array(values.begin(), values.end());
  }
  return parameters;
}

json::array RulesOf(const Policy& policy) {
  json::array rules;
  for (const PathRule& rule : policy.rules) {
    rules.push_back(json::object{{"path", rule.written},
                                 {"capabilities", json::value_from(rule.capabilities.Names())},
                                 {"allowed", Parameters(rule.allowed_parameters)},
                                 {"denied", Parameters(rule.denied_parameters)},
                                 {"required", json::value_from(rule.required_parameters)},
                                 {"events", json::value_from(rule.subscribe_event_types)},
                                 {"min_ns", absl::ToInt64Nanoseconds(rule.min_wrapping_ttl)},
                                 {"max_ns", absl::ToInt64Nanoseconds(rule.max_wrapping_ttl)}});
  }
  return rules;
}

json::object Answer(const std::string& text) {
  json::object answer;
  if (const auto items = hcl::Parse(text); items.ok()) {
    answer["tree"] = TreeOf(*items);
  } else {
    answer["tree_error"] = std::string(ToStd(items.status().message()));
  }
  if (const auto policy = ParsePolicy("p", text); policy.ok()) {
    answer["policy"] = RulesOf(*policy);
  } else {
    answer["policy_error"] = std::string(ToStd(policy.status().message()));
  }
  return answer;
}

}  // namespace
}  // namespace belfry::access

int main() {
  std::ios::sync_with_stdio(false);
  for (std::string line; std::getline(std::cin, line);) {
    const boost::json::value text = boost::json::parse(line);
    std::cout << belfry::access::Answer(boost::json::value_to<std::string>(text)) << "\n";
  }
}
