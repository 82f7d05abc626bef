#include "server/access/parameters.h"

#include <algorithm>
#include <boost/json/array.hpp>

#include "absl/strings/ascii.h"
#include "base/text.h"

namespace belfry::access {
namespace {

using boost::json::value;

std::string_view TextOf(const value& v) {
  return {v.get_string().data(), v.get_string().size()};
}

bool TextMatches(std::string_view rule, std::string_view text) {
  // A star alone is a star.
  if (rule.size() < 2) return rule == text;
  const bool any_before = rule.starts_with('*');
  const bool any_behind = rule.ends_with('*');
  if (any_before) rule.remove_prefix(1);
  if (any_behind) rule.remove_suffix(1);
  if (any_before && any_behind) return text.find(rule) != std::string_view::npos;
  if (any_before) return text.ends_with(rule);
  return any_behind ? text.starts_with(rule) : text == rule;
}

double NumberOf(const value& v) {
  if (v.is_double()) return v.get_double();
  return v.is_int64() ? static_cast<double>(v.get_int64()) : static_cast<double>(v.get_uint64());
}

bool ValueMatches(const value& rule, const value& given) {
  if (rule.is_string() && given.is_string()) return TextMatches(TextOf(rule), TextOf(given));
  if (rule.is_number() && given.is_number() && (rule.is_double() || given.is_double())) {
    return NumberOf(rule) == NumberOf(given);
  }
  return rule == given;
}

bool AnyMatches(const std::vector<value>& rules, const value& given) {
  return std::any_of(rules.begin(), rules.end(),
                     [&](const value& rule) { return ValueMatches(rule, given); });
}

bool IsAllowed(const std::vector<value>& rules, const value& given) {
  if (rules.empty() || AnyMatches(rules, given)) return true;
  if (!given.is_array()) return false;
  const boost::json::array& list = given.get_array();
  return std::all_of(list.begin(), list.end(),
                     [&](const value& element) { return AnyMatches(rules, element); });
}

bool IsDenied(const std::vector<value>& rules, const value& given) {
  if (rules.empty() || AnyMatches(rules, given)) return true;
  if (!given.is_array()) return false;
  const boost::json::array& list = given.get_array();
  return std::any_of(list.begin(), list.end(),
                     [&](const value& element) { return AnyMatches(rules, element); });
}

std::string Lower(std::string_view text) {
  return absl::AsciiStrToLower(ToAbsl(text));
}

bool AnyDenied(const ParameterRules& denied, const boost::json::object& parameters) {
  if (denied.contains("*")) return true;
  return std::any_of(parameters.begin(), parameters.end(), [&](const auto& parameter) {
    const auto rule = denied.find(Lower({parameter.key().data(), parameter.key().size()}));
    return rule != denied.end() && IsDenied(rule->second, parameter.value());
  });
}

bool AllAllowed(const ParameterRules& allowed, const boost::json::object& parameters) {
  const bool others = allowed.contains("*");
  return std::all_of(parameters.begin(), parameters.end(), [&](const auto& parameter) {
    const auto rule = allowed.find(Lower({parameter.key().data(), parameter.key().size()}));
    return rule == allowed.end() ? others : IsAllowed(rule->second, parameter.value());
  });
}

}  // namespace

bool ParametersAllowed(const ParameterRules& allowed, const ParameterRules& denied,
                       const std::vector<std::string>& required,
                       const boost::json::object& parameters) {
  // By the very name, as endpoints read them: another case of it would be ignored there, and what
  // is required would not be given.
  for (const std::string& name : required) {
    if (!parameters.contains(Lower(name))) return false;
  }
  if (parameters.empty()) return true;
  if (AnyDenied(denied, parameters)) return false;
  return allowed.empty() || AllAllowed(allowed, parameters);
}

}  // namespace belfry::access
