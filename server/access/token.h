#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/limits.h"

namespace belfry::access {

struct TokenRole;

// Where a root token was made that no request has made.
inline constexpr char kGeneratedRootPath[] = "auth/token/root";

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
  std::int64_t num_uses = 0;  // How many are left; 0: any number; -1: the last one is under way.
  absl::Time created;
  absl::Duration creation_ttl;      // Zero: it never expires.
  absl::Duration explicit_max_ttl;  // Zero: none.
  absl::Duration max_ttl;           // Of the mount that granted it; zero: the system's.
  absl::Duration period;            // Zero: not periodic.
  absl::Time expires = absl::InfiniteFuture();
  std::optional<absl::Time> last_renewal;
  bool renewable = false;

  bool orphan() const { return parent.empty(); }
  bool used_up() const { return num_uses < 0; }
  bool root() const;
};

// Whether a token still is one, for whoever asks often. Thread-safe, without a lock.
class TokenValidity {
 public:
  explicit TokenValidity(absl::Time expires) { SetExpiry(expires); }
  bool Lasts(absl::Time now) const {
    return !ended_.load(std::memory_order_acquire) &&
           absl::ToUnixNanos(now) < expires_.load(std::memory_order_acquire);
  }
  // Its own expiry, or that of an ancestor, whichever comes first.
  absl::Time expires() const { return absl::FromUnixNanos(expires_.load()); }
  void SetExpiry(absl::Time expires) { expires_.store(absl::ToUnixNanos(expires)); }
  void End() { ended_.store(true, std::memory_order_release); }
  // It has no use left, and lasts only until the requests are done that have spent one.
  bool used_up() const { return used_up_.load(std::memory_order_acquire); }
  void UseUp() { used_up_.store(true, std::memory_order_release); }

 private:
  std::atomic<bool> ended_ = false;
  std::atomic<bool> used_up_ = false;
  std::atomic<std::int64_t> expires_;
};

// A token as it was when it was looked up, and whether it still is one. Immutable, shared by all
// who look it up.
struct LiveToken {
  TokenEntry entry;
  std::shared_ptr<const TokenValidity> life;
};

// What somebody asks for who creates a token.
struct TokenRequest {
  // Where it is asked for. At auth/token/create-orphan nobody needs sudo for an orphan.
  std::string path = "auth/token/create";
  std::string id;  // The secret itself; empty: a random one.
  std::vector<std::string> policies;
  std::map<std::string, std::string> metadata;
  std::string display_name;
  std::string type;          // "" or "service".
  std::string entity_alias;  // "": there are no entities.
  std::int64_t num_uses = 0;
  absl::Duration ttl;
  absl::Duration explicit_max_ttl;
  absl::Duration period;
  bool no_parent = false;
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
// words. A role (nullptr: none) says what its tokens may have, whatever the creator has. `limits`
// say the system's lease times, which are those of tokens: what one lives when nothing was asked,
// and the longest unless it is renewed. Pure. (vault-api-and-events 8.3)
absl::StatusOr<PlannedToken> PlanToken(const TokenEntry& creator, CreatorRights rights,
                                       const TokenRequest& request, const TokenRole* role = nullptr,
                                       const Limits& limits = Limits());

// What a login comes to when an auth mount grants it a token; or InvalidArgument, in Vault's words
// where it has them. It has no parent and is never root. `path` is that of the login, the display
// name is complete; what a creator says about a token's own secret does not count. `max_ttl` is the
// longest that the mount grants, zero: the system's. Pure.
absl::StatusOr<PlannedToken> PlanLogin(const TokenRequest& request, absl::Duration max_ttl,
                                       const Limits& limits = Limits());

struct PlannedRenewal {
  absl::Duration ttl;  // From now on.
  std::vector<std::string> warnings;
};

// What a renewal comes to at `now`; InvalidArgument when the token cannot be renewed. `increment`
// of zero asks for as long as at first. The role that the token was made with (nullptr: none) says
// its period and its longest time, as the role is now. Pure.
absl::StatusOr<PlannedRenewal> PlanRenewal(const TokenEntry& entry, absl::Duration increment,
                                           absl::Time now, const TokenRole* role = nullptr,
                                           const Limits& limits = Limits());

}  // namespace belfry::access
