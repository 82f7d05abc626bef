#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "server/access/authorizer.h"
#include "tests/simulation/turns.h"

namespace belfry::simulation {

inline constexpr std::size_t kGroups = 3;   // Of subscribers with the same rights.
inline constexpr std::size_t kFolders = 4;  // "0/" and so on, to each of which there is a right.

// Rights that change while they are asked for, as access::Authorizer answers them, and all that
// they were. An identity has the number of its group as its display name, and its token is known
// by its accessor. Not thread-safe.
class Policies final : public access::Authorizer {
 public:
  // `turns` must outlive it.
  explicit Policies(Turns* turns) : turns_(turns), versions_(1) {}

  struct Rights {
    std::array<bool, kFolders> folders = {true, true, true, true};
    bool subscribe = true;
  };
  static access::Identity IdentityOf(std::size_t group, std::string accessor);
  static std::size_t FolderOf(std::string_view path) {
    return static_cast<std::size_t>(path[0] - '0');
  }

  // A planted bug: what the policies before the last change allow is still allowed.
  void Lag() { lags_ = true; }

  // A change has two steps, as in the stores: from the first on it is what is decided by. When the
  // second returns nothing that it forbids may begin to leave; no strand may be sending meanwhile.
  void Change(std::size_t group, const Rights& rights);
  void Acknowledge();
  bool acknowledged() const { return acknowledged_ == version(); }
  const Rights& RightsOf(std::size_t group) const { return versions_.back()[group]; }
  // The token ends, and so do its subscriptions, before this returns.
  void Revoke(const std::string& accessor);

  bool IsRevoked(const std::string& accessor) const { return revoked_.contains(accessor); }

  std::size_t version() const { return versions_.size() - 1; }
  std::size_t acknowledged_version() const { return acknowledged_; }
  // Whether an event in the folder was allowed by all versions from this one on, or by one of them.
  bool AllowedSince(std::size_t version, std::size_t group, std::size_t folder) const;
  bool AllowedOnceSince(std::size_t version, std::size_t group, std::size_t folder) const;

  absl::StatusOr<access::Identity> Authenticate(std::string_view token) const override;
  bool Allows(const access::Identity& identity, const access::Question& question) const override;
  bool BoundsParameters(const access::Identity& identity, access::Capability capability,
                        std::string_view path) const override;
  bool AllowsEvent(const access::Identity& identity, std::string_view path,
                   std::string_view type) const override;
  std::unique_ptr<access::EventAuthorizer> EventAuthorizerOf(
      access::Identity identity) const override;
  std::shared_ptr<const access::Acl> RulesOf(const access::Identity& identity) const override;
  std::shared_ptr<const void> Watch(
      const access::Identity& identity,
      std::function<void(std::string_view reason)> ended) const override;
  std::shared_ptr<const void> WatchPolicies(std::function<void()> changed) const override;

 private:
  class OneSubscription;
  using Version = std::array<Rights, kGroups>;

  bool IsAllowed(std::size_t version, std::size_t group, std::size_t folder) const;

  Turns* const turns_;
  bool lags_ = false;
  std::vector<Version> versions_;
  std::size_t acknowledged_ = 0;
  std::set<std::string> revoked_;
  // Watchers, in the order in which they came.
  mutable std::uint64_t next_watch_ = 0;
  mutable std::map<std::uint64_t, std::function<void()>> policy_watches_;
  struct TokenWatch {
    std::string accessor;
    std::function<void(std::string_view)> ended;
  };
  mutable std::map<std::uint64_t, TokenWatch> token_watches_;
};

}  // namespace belfry::simulation
