#include "server/access/token.h"

#include <algorithm>
#include <set>
#include <string_view>
#include <utility>

#include "absl/strings/ascii.h"
#include "server/access/policy_store.h"
#include "server/base/text.h"

namespace belfry::access {
namespace {

absl::Status Invalid(std::initializer_list<std::string_view> parts) {
  return absl::InvalidArgumentError(Concat(parts));
}

bool Contains(const std::vector<std::string>& list, std::string_view text) {
  return std::find(list.begin(), list.end(), text) != list.end();
}

absl::Status CheckRights(CreatorRights rights, const TokenRequest& request) {
  if (rights == CreatorRights::kSudo) return absl::OkStatus();
  if (!request.id.empty()) return Invalid({"root or sudo privileges required to specify token id"});
  if (request.orphan) return Invalid({"root or sudo privileges required to create orphan token"});
  if (request.period > absl::ZeroDuration()) {
    return Invalid({"root or sudo privileges required to create periodic token"});
  }
  return absl::OkStatus();
}

absl::Status CheckRequest(const TokenEntry& creator, CreatorRights rights,
                          const TokenRequest& request) {
  if (creator.num_uses > 0) return Invalid({"restricted use token cannot generate child tokens"});
  if (request.type == "batch") {
    return Invalid({"batch tokens are not supported: create a service token"});
  }
  if (!request.type.empty() && request.type != "service" && request.type != "default-service" &&
      request.type != "default") {
    return Invalid({"invalid 'token_type' value"});
  }
  if (absl::Status status = CheckRights(rights, request); !status.ok()) return status;
  if (request.id.find('.') != std::string::npos) {
    return Invalid({"custom token ID cannot have a '.' in the value"});
  }
  if (request.num_uses < 0) return Invalid({"number of uses cannot be negative"});
  const absl::Duration none = absl::ZeroDuration();
  if (request.ttl < none) return Invalid({"ttl must be positive"});
  if (request.explicit_max_ttl < none) return Invalid({"explicit_max_ttl must be positive"});
  if (request.period < none) return Invalid({"period must be positive"});
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::string>> ChoosePolicies(const TokenEntry& creator,
                                                        CreatorRights rights,
                                                        const TokenRequest& request) {
  std::vector<std::string> policies = CleanPolicies(request.policies);
  bool add_default = !request.no_default_policy;
  if (policies.empty()) {
    policies = creator.policies;
  } else if (rights == CreatorRights::kPlain) {
    const bool subset = std::all_of(policies.begin(), policies.end(), [&](const auto& policy) {
      return Contains(creator.policies, policy);
    });
    if (!subset) return Invalid({"child policies must be subset of parent"});
    add_default &= Contains(creator.policies, "default");
  }
  if (add_default) policies.emplace_back("default");
  policies = CleanPolicies(policies);
  if (Contains(policies, "root") && !creator.root()) {
    return Invalid({"root tokens may not be created without parent token being root"});
  }
  for (const std::string_view reserved : {"response-wrapping", "control-group"}) {
    if (Contains(policies, reserved)) return Invalid({"cannot assign policy \"", reserved, "\""});
  }
  return policies;
}

// Letters, digits and single dashes.
std::string CleanDisplayName(std::string_view name) {
  std::string clean;
  for (const char c : name) {
    const bool kept = absl::ascii_isalnum(static_cast<unsigned char>(c));
    if (kept) clean += c;
    if (!kept && !clean.empty() && clean.back() != '-') clean += '-';
  }
  while (clean.ends_with('-')) clean.pop_back();
  return clean.empty() ? "token" : Concat({"token-", clean});
}

// As Go writes a duration of whole seconds.
std::string GoDuration(absl::Duration duration) {
  const std::int64_t seconds = absl::ToInt64Seconds(duration);
  std::string text;
  if (seconds >= 3600) text += Concat({std::to_string(seconds / 3600), "h"});
  if (seconds >= 60) text += Concat({std::to_string(seconds / 60 % 60), "m"});
  return Concat({text, std::to_string(seconds % 60), "s"});
}

void Cap(absl::Duration most, PlannedToken* planned) {
  absl::Duration& ttl = planned->entry.creation_ttl;
  if (ttl <= most) return;
  planned->warnings.push_back(
      Concat({"TTL of \"", GoDuration(ttl), "\" exceeded the effective max_ttl of \"",
              GoDuration(most), "\"; TTL value is capped accordingly"}));
  ttl = most;
}

// How long it lives, and whether that can be prolonged.
absl::Status ChooseTtl(const TokenEntry& creator, const TokenRequest& request,
                       PlannedToken* planned) {
  const absl::Duration none = absl::ZeroDuration();
  TokenEntry& entry = planned->entry;
  entry.explicit_max_ttl = request.explicit_max_ttl;
  entry.period = request.period;
  entry.creation_ttl = request.period > none ? request.period : request.ttl;
  if (entry.creation_ttl == none && entry.root()) {
    if (creator.expires != absl::InfiniteFuture()) {
      return Invalid({"expiring root tokens cannot create non-expiring root tokens"});
    }
    entry.renewable = false;
    return absl::OkStatus();
  }
  if (entry.creation_ttl == none) entry.creation_ttl = kMaxTokenTtl;
  if (entry.period == none) Cap(kMaxTokenTtl, planned);
  if (entry.explicit_max_ttl > none) Cap(entry.explicit_max_ttl, planned);
  entry.renewable = request.renewable;
  return absl::OkStatus();
}

}  // namespace

bool TokenEntry::root() const {
  return policies == std::vector<std::string>{"root"};
}

std::vector<std::string> CleanPolicies(const std::vector<std::string>& names) {
  std::set<std::string> clean;
  for (const std::string& name : names) {
    std::string cleaned = PolicyName(name);
    if (!cleaned.empty()) clean.insert(std::move(cleaned));
  }
  if (clean.contains("root")) return {"root"};
  return {clean.begin(), clean.end()};
}

absl::StatusOr<PlannedToken> PlanToken(const TokenEntry& creator, CreatorRights rights,
                                       const TokenRequest& request) {
  if (absl::Status status = CheckRequest(creator, rights, request); !status.ok()) return status;
  absl::StatusOr<std::vector<std::string>> policies = ChoosePolicies(creator, rights, request);
  if (!policies.ok()) return policies.status();
  PlannedToken planned{.secret = request.id};
  TokenEntry& entry = planned.entry;
  entry.parent = request.orphan ? "" : creator.id;
  entry.policies = *std::move(policies);
  entry.metadata = request.metadata;
  entry.display_name = CleanDisplayName(request.display_name);
  entry.path = "auth/token/create";
  entry.num_uses = request.num_uses;
  if (absl::Status status = ChooseTtl(creator, request, &planned); !status.ok()) return status;
  return planned;
}

absl::StatusOr<absl::Duration> PlanRenewal(const TokenEntry& entry, absl::Duration increment,
                                           absl::Time now) {
  const absl::Duration none = absl::ZeroDuration();
  if (!entry.renewable) return Invalid({"lease is not renewable"});
  absl::Duration ttl = increment > none ? increment : entry.creation_ttl;
  absl::Time latest = entry.created + kMaxTokenTtl;
  if (entry.period > none) {
    ttl = entry.period;
    latest = absl::InfiniteFuture();
  }
  if (entry.explicit_max_ttl > none) {
    latest = std::min(latest, entry.created + entry.explicit_max_ttl);
  }
  if (now >= latest) return Invalid({"past the max TTL, cannot renew"});
  return std::min(ttl, latest - now);
}

}  // namespace belfry::access
