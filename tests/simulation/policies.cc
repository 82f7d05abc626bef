#include "tests/simulation/policies.h"

#include <algorithm>
#include <span>
#include <utility>

#include "absl/status/status.h"

namespace belfry::simulation {
namespace {

std::size_t GroupOf(const access::Identity& identity) {
  return static_cast<std::size_t>(identity.display_name[0] - '0');
}

}  // namespace

class Policies::OneSubscription final : public access::EventAuthorizer {
 public:
  OneSubscription(const Policies* policies, access::Identity identity)
      : policies_(policies), identity_(std::move(identity)) {}

  std::uint64_t Refresh() override {
    version_ = policies_->version();
    ended_ = policies_->revoked_.contains(identity_.accessor);
    const std::uint64_t known_as = 2 * version_ + (ended_ ? 1 : 0) + 1;
    policies_->turns_->LetPoliciesChange();
    return known_as;
  }
  bool Allows(std::string_view path, std::string_view) override {
    const bool allowed = !ended_ && (Has(version_, path) ||
                                     (policies_->lags_ && version_ > 0 && Has(version_ - 1, path)));
    policies_->turns_->LetPoliciesChange();
    return allowed;
  }

 private:
  bool Has(std::size_t version, std::string_view path) const {
    return policies_->versions_[version][GroupOf(identity_)].folders[FolderOf(path)];
  }

  const Policies* const policies_;
  const access::Identity identity_;
  std::size_t version_ = 0;
  bool ended_ = false;
};

access::Identity Policies::IdentityOf(std::size_t group, std::string accessor) {
  access::Identity identity;
  identity.accessor = std::move(accessor);
  identity.display_name = std::to_string(group);
  return identity;
}

void Policies::Change(std::size_t group, const Rights& rights) {
  Version next = versions_.back();
  next[group] = rights;
  versions_.push_back(next);
}

void Policies::Acknowledge() {
  const std::size_t now = version();
  // A call may add and remove others.
  const auto watches = policy_watches_;
  for (const auto& [number, changed] : watches) {
    if (policy_watches_.contains(number)) changed();
  }
  acknowledged_ = now;
}

void Policies::Revoke(const std::string& accessor) {
  revoked_.insert(accessor);
  const auto watches = token_watches_;
  for (const auto& [number, watch] : watches) {
    if (watch.accessor == accessor) watch.ended("token revoked");
  }
}

bool Policies::IsAllowed(std::size_t version, std::size_t group, std::size_t folder) const {
  const Rights& rights = versions_[version][group];
  return rights.subscribe && rights.folders[folder];
}

bool Policies::AllowedSince(std::size_t version, std::size_t group, std::size_t folder) const {
  for (; version < versions_.size(); ++version) {
    if (!IsAllowed(version, group, folder)) return false;
  }
  return true;
}

// The right to the folder is asked for each event, the right to subscribe once for each change, so
// the two may be of different versions.
bool Policies::AllowedOnceSince(std::size_t version, std::size_t group, std::size_t folder) const {
  const std::span<const Version> since = std::span(versions_).subspan(version);
  return std::ranges::any_of(since, [=](const Version& v) { return v[group].folders[folder]; }) &&
         std::ranges::any_of(since, [=](const Version& v) { return v[group].subscribe; });
}

absl::StatusOr<access::Identity> Policies::Authenticate(std::string_view) const {
  return absl::UnimplementedError("subscribers are known already");
}

// The only question is whether a subscription may be.
bool Policies::Allows(const access::Identity& identity, const access::Question&) const {
  return RightsOf(GroupOf(identity)).subscribe && !revoked_.contains(identity.accessor);
}

bool Policies::BoundsParameters(const access::Identity&, access::Capability,
                                std::string_view) const {
  return false;
}

bool Policies::AllowsEvent(const access::Identity& identity, std::string_view path,
                           std::string_view) const {
  return RightsOf(GroupOf(identity)).folders[FolderOf(path)];
}

std::unique_ptr<access::EventAuthorizer> Policies::EventAuthorizerOf(
    access::Identity identity) const {
  return std::make_unique<OneSubscription>(this, std::move(identity));
}

std::shared_ptr<const access::Acl> Policies::RulesOf(const access::Identity&) const {
  return nullptr;
}

std::shared_ptr<const void> Policies::Watch(const access::Identity& identity,
                                            std::function<void(std::string_view)> ended) const {
  if (revoked_.contains(identity.accessor)) return nullptr;
  const std::uint64_t number = ++next_watch_;
  token_watches_.emplace(number,
                         TokenWatch{.accessor = identity.accessor, .ended = std::move(ended)});
  return {this, [this, number](const void*) { token_watches_.erase(number); }};
}

std::shared_ptr<const void> Policies::WatchPolicies(std::function<void()> changed) const {
  const std::uint64_t number = ++next_watch_;
  policy_watches_.emplace(number, std::move(changed));
  return {this, [this, number](const void*) { policy_watches_.erase(number); }};
}

}  // namespace belfry::simulation
