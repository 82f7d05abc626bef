#include "server/access/token.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "absl/strings/ascii.h"
#include "base/duration.h"
#include "base/glob.h"
#include "base/text.h"
#include "server/access/policy_store.h"
#include "server/access/role.h"

namespace belfry::access {
namespace {

constexpr absl::Duration kNone = absl::ZeroDuration();
constexpr std::string_view kCreateOrphan = "auth/token/create-orphan";

using Names = std::vector<std::string>;

absl::Status Invalid(std::initializer_list<std::string_view> parts) {
  return absl::InvalidArgumentError(Concat(parts));
}

bool Contains(const Names& list, std::string_view text) {
  return std::find(list.begin(), list.end(), text) != list.end();
}

bool MatchesAny(const Names& patterns, std::string_view text) {
  return std::any_of(patterns.begin(), patterns.end(),
                     [&](const std::string& pattern) { return GlobMatches(pattern, text); });
}

// As Go shows a list of texts.
std::string Shown(const Names& names) {
  std::string text = "[";
  for (const std::string& name : names) {
    text += Concat({text.size() > 1 ? " " : "", "\"", name, "\""});
  }
  return text + "]";
}

absl::Status CheckType(const TokenRequest& request, const TokenRole* role) {
  if (role != nullptr && role->token_type == "service") return absl::OkStatus();
  if (request.type == "batch") {
    return Invalid({"batch tokens are not supported: create a service token"});
  }
  if (!request.type.empty() && request.type != "service") {
    return Invalid({"invalid 'token_type' value"});
  }
  return absl::OkStatus();
}

absl::Status CheckId(CreatorRights rights, std::string_view id) {
  if (id.empty()) return absl::OkStatus();
  if (rights == CreatorRights::kPlain) {
    return Invalid({"root or sudo privileges required to specify token id"});
  }
  if (id.find('.') != std::string_view::npos) {
    return Invalid({"custom token ID cannot have a '.' in the value"});
  }
  return absl::OkStatus();
}

absl::Status CheckTimes(CreatorRights rights, const TokenRequest& request) {
  if (request.explicit_max_ttl < kNone) return Invalid({"explicit_max_ttl must be positive"});
  if (request.period < kNone) return Invalid({"period must be positive"});
  if (request.period > kNone && rights == CreatorRights::kPlain) {
    return Invalid({"root or sudo privileges required to create periodic token"});
  }
  if (request.ttl < kNone) return Invalid({"ttl must be positive"});
  return absl::OkStatus();
}

absl::Status CheckRequest(const TokenEntry& creator, CreatorRights rights,
                          const TokenRequest& request, const TokenRole* role) {
  if (creator.num_uses != 0) return Invalid({"restricted use token cannot generate child tokens"});
  if (absl::Status status = CheckType(request, role); !status.ok()) return status;
  if (request.num_uses < 0) return Invalid({"number of uses cannot be negative"});
  if (!request.entity_alias.empty()) {
    return role == nullptr
               ? Invalid({"'entity_alias' is only allowed in combination with token role"})
               : Invalid({"invalid 'entity_alias' value"});
  }
  if (absl::Status status = CheckId(rights, request.id); !status.ok()) return status;
  return CheckTimes(rights, request);
}

Names WithDefault(Names policies) {
  policies.emplace_back("default");
  return CleanPolicies(policies);
}

absl::Status CheckAgainstRole(const Names& policies, const Names& allowed, const TokenRole& role) {
  const bool subset = std::all_of(policies.begin(), policies.end(), [&](const std::string& policy) {
    return Contains(allowed, policy) || MatchesAny(role.allowed_policies_glob, policy);
  });
  if (subset) return absl::OkStatus();
  return Invalid({"token policies (", Shown(policies),
                  ") must be subset of the role's allowed policies (", Shown(allowed),
                  ") or glob policies (", Shown(role.allowed_policies_glob), ")"});
}

absl::StatusOr<Names> ChooseByRole(const TokenEntry& creator, const TokenRequest& request,
                                   const TokenRole& role) {
  const auto is_disallowed = [&role](std::string_view policy) {
    return Contains(role.disallowed_policies, policy) ||
           MatchesAny(role.disallowed_policies_glob, policy);
  };
  const bool add_default =
      !request.no_default_policy && !role.no_default_policy && !is_disallowed("default");
  const auto completed = [add_default](const Names& policies) {
    return add_default ? WithDefault(policies) : CleanPolicies(policies);
  };
  const bool restricts = !role.allowed_policies.empty() || !role.allowed_policies_glob.empty();
  const Names allowed = completed(role.allowed_policies);
  Names policies;
  if (CleanPolicies(request.policies).empty()) {
    policies = restricts ? allowed : completed(creator.policies);
  } else {
    policies = completed(request.policies);
    if (restricts) {
      absl::Status status = CheckAgainstRole(policies, allowed, role);
      if (!status.ok()) return status;
    }
  }
  for (const std::string& policy : policies) {
    if (is_disallowed(policy)) {
      return Invalid({"token policy \"", policy, "\" is disallowed by this role"});
    }
  }
  return policies;
}

absl::StatusOr<Names> ChooseByCreator(const TokenEntry& creator, CreatorRights rights,
                                      const TokenRequest& request) {
  Names policies = CleanPolicies(request.policies);
  if (policies.empty()) return creator.policies;
  bool add_default = !request.no_default_policy;
  if (rights == CreatorRights::kPlain) {
    const bool subset = std::all_of(policies.begin(), policies.end(), [&](const auto& policy) {
      return Contains(creator.policies, policy);
    });
    if (!subset) return Invalid({"child policies must be subset of parent"});
    add_default &= Contains(creator.policies, "default");
  }
  return add_default ? WithDefault(std::move(policies)) : policies;
}

absl::Status CheckReserved(const Names& policies) {
  for (const std::string_view reserved : {"response-wrapping", "control-group"}) {
    if (Contains(policies, reserved)) return Invalid({"cannot assign policy \"", reserved, "\""});
  }
  return absl::OkStatus();
}

absl::StatusOr<Names> ChoosePolicies(const TokenEntry& creator, CreatorRights rights,
                                     const TokenRequest& request, const TokenRole* role) {
  const bool by_role = role != nullptr && role->ChoosesPolicies();
  absl::StatusOr<Names> policies =
      by_role ? ChooseByRole(creator, request, *role) : ChooseByCreator(creator, rights, request);
  if (!policies.ok()) return policies.status();
  if (request.no_default_policy) std::erase(*policies, "default");
  if (absl::Status status = CheckReserved(*policies); !status.ok()) return status;
  if (Contains(*policies, "root") && !creator.root()) {
    return Invalid({"root tokens may not be created without parent token being root"});
  }
  return policies;
}

absl::StatusOr<std::string> ChooseParent(const TokenEntry& creator, CreatorRights rights,
                                         const TokenRequest& request, const TokenRole* role) {
  if (role != nullptr) return role->orphan ? "" : creator.id;
  if (request.no_parent && rights == CreatorRights::kPlain) {
    return Invalid({"root or sudo privileges required to create orphan token"});
  }
  return request.no_parent || request.path == kCreateOrphan ? "" : creator.id;
}

// Whatever is not a letter, a digit or a dash becomes a dash, but for one at the end.
std::string DisplayName(std::string_view name) {
  if (name.empty()) return "token";
  std::string full = Concat({"token-", name});
  for (char& c : full) {
    if (!absl::ascii_isalnum(static_cast<unsigned char>(c))) c = '-';
  }
  if (full.ends_with('-')) full.pop_back();
  return full;
}

// The smaller of two times of which zero means none.
absl::Duration Lesser(absl::Duration a, absl::Duration b) {
  if (a == kNone || b == kNone) return std::max(a, b);
  return std::min(a, b);
}

// How long a token may live.
struct Terms {
  absl::Duration wanted;  // Zero: the system's default.
  absl::Duration period;
  absl::Duration explicit_max_ttl;
  absl::Duration max_ttl;  // Zero: the system's.
  absl::Time created;
  const Limits& limits;
};

void Cap(std::string_view what, std::string_view value, absl::Duration most, absl::Duration* ttl,
         Names* warnings) {
  if (*ttl <= most) return;
  warnings->push_back(
      Concat({what, " of \"", DurationText(*ttl), "\" exceeded the effective max_ttl of \"",
              DurationText(most), "\"; ", value, " value is capped accordingly"}));
  *ttl = most;
}

absl::StatusOr<absl::Duration> Ttl(const Terms& terms, absl::Time now, Names* warnings) {
  const bool bounded = terms.explicit_max_ttl > kNone;
  const absl::Duration longest = Lesser(terms.max_ttl, terms.limits.max_lease_ttl);
  const absl::Duration most = Lesser(terms.explicit_max_ttl, longest);
  absl::Duration ttl =
      terms.wanted > kNone ? terms.wanted : std::min(terms.limits.default_lease_ttl, longest);
  absl::Time latest = terms.created + most;
  if (terms.period > kNone) {
    ttl = terms.period;
    Cap("period", "period", most, &ttl, warnings);
    latest = bounded ? terms.created + terms.explicit_max_ttl : absl::InfiniteFuture();
  }
  if (now >= latest) return Invalid({"past the max TTL, cannot renew"});
  Cap("TTL", "TTL", latest - now, &ttl, warnings);
  return ttl;
}

absl::Duration LesserWithWarning(std::string_view what, absl::Duration requested,
                                 absl::Duration of_role, Names* warnings) {
  const absl::Duration lesser = Lesser(requested, of_role);
  if (requested > kNone && of_role > kNone) {
    warnings->push_back(Concat(
        {what, " specified both during creation call and in role; using the lesser value of ",
         std::to_string(absl::ToInt64Seconds(lesser)), " seconds"}));
  }
  return lesser;
}

// How long it lives, and whether that can be prolonged.
absl::Status ChooseTimes(const TokenEntry& creator, const TokenRequest& request,
                         const TokenRole* role, const Limits& limits, PlannedToken* planned) {
  TokenEntry& entry = planned->entry;
  entry.explicit_max_ttl = request.explicit_max_ttl;
  entry.period = request.period;
  entry.renewable = request.renewable;
  if (role != nullptr) {
    entry.explicit_max_ttl = LesserWithWarning("Explicit max TTL", request.explicit_max_ttl,
                                               role->explicit_max_ttl, &planned->warnings);
    entry.period = LesserWithWarning("Period", request.period, role->period, &planned->warnings);
    entry.renewable &= role->renewable;
  }
  if (entry.root() && request.ttl == kNone && entry.period == kNone) {
    entry.creation_ttl = entry.explicit_max_ttl;
    if (entry.creation_ttl > kNone) return absl::OkStatus();
    if (creator.creation_ttl > kNone) {
      return Invalid({"expiring root tokens cannot create non-expiring root tokens"});
    }
    entry.renewable = false;
    return absl::OkStatus();
  }
  const absl::Time now = absl::UnixEpoch();  // Whenever that will be.
  const absl::StatusOr<absl::Duration> ttl = Ttl({.wanted = request.ttl,
                                                  .period = entry.period,
                                                  .explicit_max_ttl = entry.explicit_max_ttl,
                                                  .max_ttl = entry.max_ttl,
                                                  .created = now,
                                                  .limits = limits},
                                                 now, &planned->warnings);
  if (!ttl.ok()) return ttl.status();
  entry.creation_ttl = *ttl;
  return absl::OkStatus();
}

std::string Path(const TokenRequest& request, const TokenRole* role) {
  if (role == nullptr) return request.path;
  return Concat({request.path, role->path_suffix.empty() ? "" : "/", role->path_suffix});
}

std::int64_t NumUses(const TokenRequest& request, const TokenRole* role) {
  const std::int64_t most = role == nullptr ? 0 : role->num_uses;
  if (most == 0 || request.num_uses == 0) return std::max(most, request.num_uses);
  return std::min(most, request.num_uses);
}

}  // namespace

bool TokenEntry::root() const {
  return policies == std::vector<std::string>{"root"};
}

absl::StatusOr<PlannedToken> PlanToken(const TokenEntry& creator, CreatorRights rights,
                                       const TokenRequest& request, const TokenRole* role,
                                       const Limits& limits) {
  absl::Status status = CheckRequest(creator, rights, request, role);
  if (!status.ok()) return status;
  absl::StatusOr<Names> policies = ChoosePolicies(creator, rights, request, role);
  if (!policies.ok()) return policies.status();
  absl::StatusOr<std::string> parent = ChooseParent(creator, rights, request, role);
  if (!parent.ok()) return parent.status();
  PlannedToken planned{.secret = request.id};
  TokenEntry& entry = planned.entry;
  entry.parent = *std::move(parent);
  entry.policies = *std::move(policies);
  entry.metadata = request.metadata;
  entry.display_name = DisplayName(request.display_name);
  entry.path = Path(request, role);
  if (role != nullptr) entry.role = role->name;
  entry.num_uses = NumUses(request, role);
  status = ChooseTimes(creator, request, role, limits, &planned);
  if (!status.ok()) return status;
  return planned;
}

absl::StatusOr<PlannedToken> PlanLogin(const TokenRequest& request, absl::Duration max_ttl,
                                       const Limits& limits) {
  if (absl::Status status = CheckType(request, nullptr); !status.ok()) return status;
  if (request.num_uses < 0) return Invalid({"number of uses cannot be negative"});
  // An auth mount may grant what it likes, as far as this goes.
  if (absl::Status status = CheckTimes(CreatorRights::kSudo, request); !status.ok()) return status;
  PlannedToken planned;
  TokenEntry& entry = planned.entry;
  entry.policies =
      request.no_default_policy ? CleanPolicies(request.policies) : WithDefault(request.policies);
  if (absl::Status status = CheckReserved(entry.policies); !status.ok()) return status;
  if (Contains(entry.policies, "root")) return Invalid({"auth methods cannot create root tokens"});
  entry.metadata = request.metadata;
  entry.display_name = request.display_name;
  entry.path = request.path;
  entry.num_uses = request.num_uses;
  entry.max_ttl = max_ttl;
  absl::Status status = ChooseTimes(TokenEntry(), request, nullptr, limits, &planned);
  if (!status.ok()) return status;
  return planned;
}

absl::StatusOr<PlannedRenewal> PlanRenewal(const TokenEntry& entry, absl::Duration increment,
                                           absl::Time now, const TokenRole* role,
                                           const Limits& limits) {
  if (!entry.renewable) return Invalid({"lease is not renewable"});
  Terms terms{.wanted = increment > kNone ? increment : entry.creation_ttl,
              .period = entry.period,
              .explicit_max_ttl = entry.explicit_max_ttl,
              .max_ttl = entry.max_ttl,
              .created = entry.created,
              .limits = limits};
  if (role != nullptr) {
    terms.period = role->period;
    terms.explicit_max_ttl = Lesser(terms.explicit_max_ttl, role->explicit_max_ttl);
  }
  PlannedRenewal planned;
  const absl::StatusOr<absl::Duration> ttl = Ttl(terms, now, &planned.warnings);
  if (!ttl.ok()) return ttl.status();
  planned.ttl = *ttl;
  return planned;
}

}  // namespace belfry::access
