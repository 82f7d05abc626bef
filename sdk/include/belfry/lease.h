#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "belfry/json.h"

namespace belfry {

// For how long something is leased. Values, as everything in this header; copy and move as you
// like. Zero durations leave it to the host, which also cuts what is beyond the mount's limits.
struct Lease {
  absl::Duration ttl = absl::ZeroDuration();
  // Renewals never go beyond this, counted from when it was first leased.
  absl::Duration max_ttl = absl::ZeroDuration();
  // Has no effect on what its engine cannot renew.
  bool renewable = true;
  // What renewing and revoking need to know. The host keeps it, encrypted; the client never sees
  // it.
  Json::Object internal = {};
  friend bool operator==(const Lease&, const Lease&) = default;
};

// What the host makes of a lease or login that leaves it to the host, and the most that it gives:
// the mount's own terms, else the system's.
struct LeaseTtls {
  absl::Duration default_ttl;
  absl::Duration max_ttl;
  friend bool operator==(const LeaseTtls&, const LeaseTtls&) = default;
};

// A secret that is out: what is asked to be renewed or revoked.
struct LeasedSecret {
  Lease lease;
  absl::Time issued;
  // What a renewal asks for; the engine need not grant it. Zero: nothing in particular.
  absl::Duration increment = absl::ZeroDuration();
  // The host's name for it. Only in revocations.
  std::string lease_id = {};
};

// What kind of token a login gets, in the numbers of the protocol. (plugin-protocol 5.4)
enum class TokenType {
  kDefault = 0,
  kService = 1,
  kBatch = 2,
  kDefaultService = 3,
  kDefaultBatch = 4
};

// What a login gives its caller; the host makes the token.
struct Grant {
  std::vector<std::string> policies = {};
  std::string display_name = {};
  // Shown with the token and in audit logs: no secrets.
  std::map<std::string, std::string> metadata = {};
  // Who logged in, as this engine calls them: the host finds its entity by it. Empty: nobody it
  // should know.
  std::string alias = {};
  std::vector<std::string> group_aliases = {};
  Lease lease = {};
  // A token with a period lives for ever if it is renewed in time.
  absl::Duration period = absl::ZeroDuration();
  absl::Duration explicit_max_ttl = absl::ZeroDuration();
  // Zero: as often as it likes.
  std::int64_t num_uses = 0;
  // Addresses or ranges ("10.0.0.0/8") that the token may be used from. Empty: any.
  std::vector<std::string> bound_cidrs = {};
  TokenType token_type = TokenType::kDefault;
  // The host adds the policy "default" otherwise.
  bool no_default_policy = false;
  friend bool operator==(const Grant&, const Grant&) = default;
};

// A grant that is in use: what is asked to be renewed.
struct GivenGrant {
  Grant grant;
  absl::Time issued;
  absl::Duration increment = absl::ZeroDuration();
};

}  // namespace belfry
