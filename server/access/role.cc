#include "server/access/role.h"

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value_from.hpp>
#include <boost/json/value_to.hpp>
#include <exception>

#include "absl/strings/ascii.h"
#include "base/text.h"
#include "server/access/policy_store.h"

namespace belfry::access {
namespace {

namespace json = boost::json;

absl::Status Invalid(std::initializer_list<std::string_view> parts) {
  return absl::InvalidArgumentError(Concat(parts));
}

bool IsWordCharacter(char c) {
  return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_';
}

bool IsNameCharacter(char c) {
  return IsWordCharacter(c) || c == '-' || c == '.';
}

// Whether it has a part that is a name of three characters or more.
bool IsPathSuffix(std::string_view suffix) {
  std::size_t first = std::string_view::npos;  // The first word character of the part.
  for (std::size_t i = 0; i < suffix.size(); ++i) {
    if (!IsNameCharacter(suffix[i])) {
      first = std::string_view::npos;
    } else if (IsWordCharacter(suffix[i])) {
      if (first == std::string_view::npos) first = i;
      if (i - first >= 2) return true;
    }
  }
  return false;
}

absl::Status CheckPathSuffix(std::string_view suffix) {
  if (!suffix.empty() && !IsPathSuffix(suffix)) {
    return Invalid(
        {"given role path suffix contains invalid characters; must match \\w[\\w-.]+\\w"});
  }
  if (suffix.find("..") != std::string_view::npos) {
    return Invalid({"error registering path suffix: path cannot contain parent references"});
  }
  return absl::OkStatus();
}

absl::Status CheckType(std::string_view type) {
  if (type == "service" || type == "default-service") return absl::OkStatus();
  if (type == "batch" || type == "default-batch") {
    return Invalid({"batch tokens are not supported: set token_type to service"});
  }
  return Invalid({"invalid 'token_type' value \"", type, "\""});
}

TokenRole FromObject(const json::object& object) {
  const auto text = [&](const char* name) { return json::value_to<std::string>(object.at(name)); };
  const auto names = [&](const char* name) {
    return json::value_to<std::vector<std::string>>(object.at(name));
  };
  const auto duration = [&](const char* name) {
    return absl::Nanoseconds(object.at(name).to_number<std::int64_t>());
  };
  return {.name = text("name"),
          .allowed_policies = names("allowed_policies"),
          .disallowed_policies = names("disallowed_policies"),
          .allowed_policies_glob = names("allowed_policies_glob"),
          .disallowed_policies_glob = names("disallowed_policies_glob"),
          .path_suffix = text("path_suffix"),
          .token_type = text("token_type"),
          .num_uses = object.at("num_uses").to_number<std::int64_t>(),
          .period = duration("period"),
          .explicit_max_ttl = duration("explicit_max_ttl"),
          .old_period = duration("old_period"),
          .old_explicit_max_ttl = duration("old_explicit_max_ttl"),
          .orphan = object.at("orphan").as_bool(),
          .renewable = object.at("renewable").as_bool(),
          .no_default_policy = object.at("no_default_policy").as_bool()};
}

}  // namespace

bool TokenRole::ChoosesPolicies() const {
  return !allowed_policies.empty() || !disallowed_policies.empty() ||
         !allowed_policies_glob.empty() || !disallowed_policies_glob.empty();
}

bool IsRoleName(std::string_view name) {
  if (name.empty() || !IsWordCharacter(name.front()) || !IsWordCharacter(name.back())) return false;
  for (const char c : name) {
    if (!IsNameCharacter(c)) return false;
  }
  return true;
}

absl::Status CheckRole(TokenRole* role) {
  if (absl::Status status = CheckPathSuffix(role->path_suffix); !status.ok()) return status;
  if (absl::Status status = CheckType(role->token_type); !status.ok()) return status;
  if (role->num_uses < 0) {
    return Invalid({"error parsing role fields: 'token_num_uses' cannot be negative"});
  }
  role->allowed_policies = CleanPolicies(role->allowed_policies);
  role->allowed_policies_glob = CleanPolicies(role->allowed_policies_glob);
  role->disallowed_policies = PolicyNames(role->disallowed_policies);
  role->disallowed_policies_glob = PolicyNames(role->disallowed_policies_glob);
  return absl::OkStatus();
}

std::string RoleToBytes(const TokenRole& role) {
  return json::serialize(
      json::object{{"name", role.name},
                   {"allowed_policies", json::value_from(role.allowed_policies)},
                   {"disallowed_policies", json::value_from(role.disallowed_policies)},
                   {"allowed_policies_glob", json::value_from(role.allowed_policies_glob)},
                   {"disallowed_policies_glob", json::value_from(role.disallowed_policies_glob)},
                   {"path_suffix", role.path_suffix},
                   {"token_type", role.token_type},
                   {"num_uses", role.num_uses},
                   {"period", absl::ToInt64Nanoseconds(role.period)},
                   {"explicit_max_ttl", absl::ToInt64Nanoseconds(role.explicit_max_ttl)},
                   {"old_period", absl::ToInt64Nanoseconds(role.old_period)},
                   {"old_explicit_max_ttl", absl::ToInt64Nanoseconds(role.old_explicit_max_ttl)},
                   {"orphan", role.orphan},
                   {"renewable", role.renewable},
                   {"no_default_policy", role.no_default_policy}});
}

absl::StatusOr<TokenRole> RoleFromBytes(std::string_view bytes) {
  // The library says what is wrong by exceptions; none leaves this function.
  try {
    return FromObject(json::parse(json::string_view(bytes.data(), bytes.size())).as_object());
  } catch (const std::exception&) {
    return absl::DataLossError("a stored role cannot be read");
  }
}

}  // namespace belfry::access
