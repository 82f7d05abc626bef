#include "server/api/fields.h"

#include <optional>

#include "server/api/request_parsing.h"
#include "server/api/strings.h"
#include "server/base/duration.h"
#include "server/base/text.h"

namespace belfry::api {

bool Fields::Has(const std::string& name) const {
  const auto found = members_.find(name);
  return found != members_.end() && (found->second.is_string || found->second.text != "null");
}

std::string Fields::Text(const std::string& name) const {
  return Has(name) ? members_.at(name).text : "";
}

bool Fields::Bool(const std::string& name, bool otherwise) {
  const std::string text = Text(name);
  if (text.empty()) return otherwise;
  const std::optional<bool> value = ParseBool(text);
  if (!value) Refuse(name, Concat({"\"", text, "\" is no boolean"}));
  return value.value_or(otherwise);
}

std::int64_t Fields::Number(const std::string& name) {
  const std::string text = Text(name);
  if (text.empty()) return 0;
  const std::optional<long long> value = ToNumber(text);
  if (!value) Refuse(name, Concat({"\"", text, "\" is no whole number"}));
  return value.value_or(0);
}

absl::Duration Fields::Duration(const std::string& name) {
  const std::string text = Text(name);
  const std::optional<absl::Duration> value = ParseDuration(text);
  if (!value) Refuse(name, Concat({"time: invalid duration \"", text, "\""}));
  if (value.value_or(absl::ZeroDuration()) >= absl::ZeroDuration()) {
    return value.value_or(absl::ZeroDuration());
  }
  Refuse(name, Concat({"cannot provide negative value '", text, "'"}));
  return absl::ZeroDuration();
}

std::vector<std::string> Fields::List(const std::string& name) const {
  if (!Has(name)) return {};
  const Member& member = members_.at(name);
  if (!member.is_string) return StringItems(member.text);
  std::vector<std::string> items;
  for (const std::string_view item : Split(member.text, ',')) {
    if (const std::string_view text = Stripped(item); !text.empty()) items.emplace_back(text);
  }
  return items;
}

std::map<std::string, std::string> Fields::Map(const std::string& name) const {
  std::map<std::string, std::string> map;
  for (auto& [key, value] : AllMembers(Text(name))) {
    map[key] = value.text == "null" && !value.is_string ? "" : value.text;
  }
  return map;
}

void Fields::Refuse(std::string_view name, std::string_view why) {
  status_.Update(absl::InvalidArgumentError(
      Concat({"Field validation failed: error converting input for field \"", name, "\": ", why})));
}

}  // namespace belfry::api
