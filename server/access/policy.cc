#include "server/access/policy.h"

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "server/access/policy_attributes.h"

namespace belfry::access {
namespace {

using hcl::Item;
using hcl::Quoted;
using hcl::Value;

// The form in which Vault lists errors; its texts are compared by tools.
absl::Status Errors(const std::vector<std::string>& errors) {
  std::string text = Concat({std::to_string(errors.size()),
                             errors.size() == 1 ? " error occurred:" : " errors occurred:"});
  for (const std::string& error : errors) text += Concat({"\n\t* ", error});
  return absl::InvalidArgumentError(Concat({text, "\n\n"}));
}

// Refuses keys that are not `known`, each with its place.
absl::Status CheckKeys(std::string_view prefix, const std::vector<Item>& items,
                       std::initializer_list<std::string_view> known) {
  std::vector<std::string> errors;
  for (const Item& item : items) {
    const std::string& key = item.keys[0].text;
    if (std::find(known.begin(), known.end(), key) != known.end()) continue;
    errors.push_back(Concat({prefix, "invalid key ", Quoted(key), " on line ",
                             std::to_string(item.keys[0].position.line), ", column ",
                             std::to_string(item.keys[0].position.column)}));
  }
  return errors.empty() ? absl::OkStatus() : Errors(errors);
}

absl::Status Invalid(std::initializer_list<std::string_view> parts) {
  return absl::InvalidArgumentError(Concat(parts));
}

// Reads one path block. All methods leave what they read in rule_.
class RuleReader {
 public:
  RuleReader(const Item& item) : item_(item) {
    const bool labelled = item.keys.size() > 1;
    rule_.written = labelled ? item.keys[1].text : "path";
    rule_.position = (labelled ? item.keys[1] : item.keys[0]).position;
    prefix_ = Concat({"path ", Quoted(rule_.written), ": "});
  }

  absl::StatusOr<PathRule> Read() {
    for (const auto step :
         {&RuleReader::CheckItem, &RuleReader::ReadAttributes, &RuleReader::ReadPath,
          &RuleReader::ReadCapabilities, &RuleReader::ReadBounds}) {
      if (absl::Status status = (this->*step)(); !status.ok()) return status;
    }
    // A path that is denied has nothing else to say.
    if (rule_.capabilities.Has(Capability::kDeny)) return Denied();
    return std::move(rule_);
  }

 private:
  absl::Status Prefixed(const absl::Status& status) const {
    return status.ok() ? status : Invalid({prefix_, ToStd(status.message())});
  }

  absl::Status CheckItem() {
    const Value& value = item_.value;
    if (value.kind != Value::Kind::kObject) {
      return Prefixed(hcl::ErrorAt(value.position,
                                   "a path is a block with a pattern: path \"secret/*\" { … }"));
    }
    return CheckKeys(prefix_, value.object,
                     {"comment", "policy", "capabilities", "allowed_parameters",
                      "denied_parameters", "required_parameters", "min_wrapping_ttl",
                      "max_wrapping_ttl", "mfa_methods", "control_group", "subscribe_event_types"});
  }

  absl::Status ReadAttributes() {
    for (const Item& item : item_.value.object) {
      const std::string& name = item.keys[0].text;
      if (name == "min_wrapping_ttl" || name == "max_wrapping_ttl") {
        bounds_.push_back(&item);
      } else if (absl::Status status = Prefixed(ReadAttribute(name, item)); !status.ok()) {
        return status;
      }
    }
    return absl::OkStatus();
  }

  absl::Status ReadAttribute(std::string_view name, const Item& item) {
    if (name == "policy") return ReadText(name, item, &shorthand_);
    if (name == "capabilities") return ReadTexts(name, item, &capabilities_);
    if (name == "required_parameters") return ReadTexts(name, item, &rule_.required_parameters);
    if (name == "subscribe_event_types") return ReadTexts(name, item, &rule_.subscribe_event_types);
    if (name == "allowed_parameters") return ReadParameters(name, item, &rule_.allowed_parameters);
    if (name == "denied_parameters") return ReadParameters(name, item, &rule_.denied_parameters);
    if (name == "comment") return absl::OkStatus();
    // What would be a condition there must not be silently missing here.
    return Invalid(
        {name, " at ", hcl::ToText(item.keys[0].position),
         " is not supported: remove it, and grant the path only to whom it may concern"});
  }

  absl::Status ReadPath() {
    std::string path = rule_.written;
    if (path.starts_with('/')) path.erase(0, 1);
    if (path.find("{{") != std::string::npos || path.find("}}") != std::string::npos) {
      return Invalid(
          {prefix_, "templates ({{…}}) are not supported: write one path for each name"});
    }
    if (path.find("+*") != std::string::npos) {
      return Invalid({prefix_, "invalid use of wildcards ('+*' is forbidden)"});
    }
    rule_.segments = path == "+" || path.starts_with("+/") || path.find("/+") != std::string::npos;
    rule_.prefix = path.ends_with('*');
    if (rule_.prefix) path.pop_back();
    rule_.path = std::move(path);
    return absl::OkStatus();
  }

  absl::Status ReadCapabilities() {
    if (absl::Status status = ExpandShorthand(); !status.ok()) return status;
    for (const std::string& name : capabilities_) {
      const std::optional<Capability> capability = CapabilityNamed(name);
      if (!capability) return Invalid({prefix_, "invalid capability ", Quoted(name)});
      if (*capability == Capability::kDeny) {
        rule_.capabilities = {};
        rule_.capabilities.Add(Capability::kDeny);
        return absl::OkStatus();
      }
      rule_.capabilities.Add(*capability);
    }
    return absl::OkStatus();
  }

  // `policy = "write"`, the form before there were capabilities.
  absl::Status ExpandShorthand() {
    if (shorthand_.empty()) return absl::OkStatus();
    if (shorthand_ == "deny") {
      capabilities_ = {"deny"};
    } else if (shorthand_ == "read") {
      capabilities_.insert(capabilities_.end(), {"read", "list"});
    } else if (shorthand_ == "write" || shorthand_ == "sudo") {
      capabilities_.insert(capabilities_.end(), {"create", "read", "update", "delete", "list"});
      if (shorthand_ == "sudo") capabilities_.emplace_back("sudo");
    } else {
      return Invalid({prefix_, "invalid policy ", Quoted(shorthand_)});
    }
    return absl::OkStatus();
  }

  absl::Status ReadBounds() {
    if (rule_.capabilities.Has(Capability::kDeny)) return absl::OkStatus();
    for (const Item* item : bounds_) {
      const std::string& name = item->keys[0].text;
      absl::Duration& bound =
          name == "min_wrapping_ttl" ? rule_.min_wrapping_ttl : rule_.max_wrapping_ttl;
      if (absl::Status status = ReadDuration(name, *item, &bound); !status.ok()) return status;
    }
    if (rule_.max_wrapping_ttl == absl::ZeroDuration() ||
        rule_.max_wrapping_ttl >= rule_.min_wrapping_ttl) {
      return absl::OkStatus();
    }
    return Invalid({"max_wrapping_ttl cannot be less than min_wrapping_ttl"});
  }

  PathRule Denied() {
    PathRule rule{.written = rule_.written,
                  .path = rule_.path,
                  .prefix = rule_.prefix,
                  .segments = rule_.segments,
                  .capabilities = rule_.capabilities};
    rule.position = rule_.position;
    return rule;
  }

  const Item& item_;
  std::string prefix_;
  PathRule rule_;
  std::string shorthand_;
  std::vector<std::string> capabilities_;
  std::vector<const Item*> bounds_;  // The attributes that say them.
};

absl::Status ReadItems(const std::vector<Item>& items, Policy* policy) {
  if (absl::Status status = CheckKeys("", items, {"name", "path"}); !status.ok()) return status;
  for (const Item& item : items) {
    std::string ignored;  // The name is what the policy is stored under.
    if (item.keys[0].text != "name") continue;
    if (absl::Status status = ReadText("name", item, &ignored); !status.ok()) return status;
  }
  for (const Item& item : items) {
    if (item.keys[0].text != "path") continue;
    absl::StatusOr<PathRule> rule = RuleReader(item).Read();
    if (!rule.ok()) return rule.status();
    policy->rules.push_back(*std::move(rule));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Policy> ParsePolicy(std::string_view name, std::string_view text) {
  Policy policy{.name = std::string(name), .text = std::string(text)};
  const absl::StatusOr<std::vector<Item>> items = hcl::Parse(text);
  absl::Status status = items.ok() ? ReadItems(*items, &policy) : items.status();
  if (status.ok()) return policy;
  return Invalid({"failed to parse policy: ", ToStd(status.message())});
}

}  // namespace belfry::access
