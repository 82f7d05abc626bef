#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace belfry::access {

// The longest that a token lives unless it is periodic, and what it lives when nothing was asked.
inline constexpr absl::Duration kMaxTokenTtl = absl::Hours(768);

// What is known of a token. Never its secret: that is only in the hands of whoever holds it.
struct TokenEntry {
  std::string id;  // A keyed hash of the secret.
  std::string accessor;
  std::string parent;  // Its id; empty for an orphan.
  std::vector<std::string> policies;
  std::map<std::string, std::string> metadata;
  std::string display_name;
  std::string path;  // Where it was made.
  std::string role;
  std::int64_t num_uses = 0;  // How many are left; 0: any number.
  absl::Time created;
  absl::Duration creation_ttl;      // Zero: it never expires.
  absl::Duration explicit_max_ttl;  // Zero: none.
  absl::Duration period;            // Zero: not periodic.
  absl::Time expires = absl::InfiniteFuture();
  std::optional<absl::Time> last_renewal;
  bool renewable = false;

  bool orphan() const { return parent.empty(); }
  bool root() const;
};

// Whether a token still is one, for whoever asks often. Thread-safe, without a lock.
class TokenLife {
 public:
  explicit TokenLife(absl::Time expires) { SetExpiry(expires); }
  bool Lasts(absl::Time now) const {
    return !ended_.load(std::memory_order_acquire) &&
           absl::ToUnixNanos(now) < expires_.load(std::memory_order_acquire);
  }
  // Its own expiry, or that of an ancestor, whichever comes first.
  absl::Time expires() const { return absl::FromUnixNanos(expires_.load()); }
  void SetExpiry(absl::Time expires) { expires_.store(absl::ToUnixNanos(expires)); }
  void End() { ended_.store(true, std::memory_order_release); }

 private:
  std::atomic<bool> ended_ = false;
  std::atomic<std::int64_t> expires_;
};

// What somebody asks for who creates a token.
struct TokenRequest {
  std::string id;  // The secret itself; empty: a random one.
  std::vector<std::string> policies;
  std::map<std::string, std::string> metadata;
  std::string display_name;
  std::string type;  // "", "default-service" or "service".
  std::int64_t num_uses = 0;
  absl::Duration ttl;
  absl::Duration explicit_max_ttl;
  absl::Duration period;
  bool orphan = false;
  bool no_default_policy = false;
  bool renewable = true;
};

enum class CreatorRights { kPlain, kSudo };

// A token as it will be, apart from its id, accessor and times.
struct PlannedToken {
  std::string secret;  // Empty: to be made.
  TokenEntry entry;
  std::vector<std::string> warnings;
};

// What a request comes to when the holder of `creator` makes it; or InvalidArgument in Vault's
// words. Pure. (vault-api-and-events 8.3)
absl::StatusOr<PlannedToken> PlanToken(const TokenEntry& creator, CreatorRights rights,
                                       const TokenRequest& request);

// How long a renewal makes the token last from `now` on; InvalidArgument when it cannot be renewed.
// `increment` of zero asks for as long as at first. Pure.
absl::StatusOr<absl::Duration> PlanRenewal(const TokenEntry& entry, absl::Duration increment,
                                           absl::Time now);

// Lower case, without blanks, each name once, sorted; only "root" when it is among them.
std::vector<std::string> CleanPolicies(const std::vector<std::string>& names);

}  // namespace belfry::access
