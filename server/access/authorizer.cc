#include "server/access/authorizer.h"

#include <utility>

#include "base/text.h"

namespace belfry::access {
namespace {

absl::Status InvalidToken() {
  return absl::UnauthenticatedError("invalid token");
}

// Asks the authorizer each time.
class PlainEventAuthorizer final : public EventAuthorizer {
 public:
  PlainEventAuthorizer(const Authorizer* authorizer, Identity identity)
      : authorizer_(authorizer), identity_(std::move(identity)) {}
  // It cannot know whether anything changed.
  std::uint64_t Refresh() override { return ++version_; }
  bool Allows(std::string_view path, std::string_view type) override {
    return authorizer_->AllowsEvent(identity_, path, type);
  }

 private:
  const Authorizer* const authorizer_;
  const Identity identity_;
  std::uint64_t version_ = 0;
};

class PolicyEventAuthorizer final : public EventAuthorizer {
 public:
  PolicyEventAuthorizer(const PolicyStore* policies, const Clock* clock, Identity identity)
      : policies_(policies), clock_(clock), identity_(std::move(identity)) {
    Refresh();
  }

  std::uint64_t Refresh() override {
    lasts_ = identity_.life == nullptr || identity_.life->Lasts(clock_->Now());
    if (!lasts_) return kEnded;
    if (identity_.root) return kRoot;
    // Read before the policies are: a change in between is noticed the next time.
    const std::uint64_t version = policies_->version();
    if (version != version_) {
      acl_ = policies_->AclOf(identity_.policies, identity_.token_id);
      version_ = version;
    }
    return kFirstVersion + version;
  }

  bool Allows(std::string_view path, std::string_view type) override {
    if (!lasts_) return false;
    if (identity_.root) return true;
    return acl_->AllowsEvent(path, type);
  }

 private:
  static constexpr std::uint64_t kEnded = 0;
  static constexpr std::uint64_t kRoot = 1;
  static constexpr std::uint64_t kFirstVersion = 2;

  const PolicyStore* const policies_;
  const Clock* const clock_;
  const Identity identity_;
  bool lasts_ = false;
  std::uint64_t version_ = 0;  // What acl_ is of.
  std::shared_ptr<const Acl> acl_;
};

class StoreAuthorizer final : public Authorizer {
 public:
  StoreAuthorizer(PolicyStore* policies, TokenStore* tokens, const Clock* clock)
      : policies_(policies), tokens_(tokens), clock_(clock) {}

  absl::StatusOr<Identity> Authenticate(std::string_view token) const override {
    if (token.empty()) return absl::PermissionDeniedError("permission denied");
    TokenStore::TokenPtr found = tokens_->Find(token);
    if (found == nullptr) return InvalidToken();
    return IdentityOf(std::move(found));
  }

  absl::StatusOr<Identity> AuthenticateRequest(std::string_view token) const override {
    if (token.empty()) return absl::PermissionDeniedError("permission denied");
    absl::StatusOr<TokenStore::TokenPtr> used = tokens_->Use(token);
    if (!used.ok()) return used.status();
    if (*used == nullptr) return InvalidToken();
    return IdentityOf(*std::move(used));
  }

  bool FinishUse(const Identity& identity) const override {
    return tokens_->FinishUse(*identity.token);
  }

  absl::Status EndUsedUp(const Identity& identity) const override {
    return tokens_->EndUsedUp(*identity.token);
  }

  bool Allows(const Identity& identity, const Question& question) const override {
    return identity.root || RulesOf(identity)->Allows(question);
  }

  bool BoundsParameters(const Identity& identity, Capability capability,
                        std::string_view path) const override {
    return !identity.root && RulesOf(identity)->BoundsParameters(capability, path);
  }

  bool AllowsEvent(const Identity& identity, std::string_view path,
                   std::string_view type) const override {
    if (identity.life != nullptr && !identity.life->Lasts(clock_->Now())) return false;
    return identity.root || RulesOf(identity)->AllowsEvent(path, type);
  }

  std::unique_ptr<EventAuthorizer> EventAuthorizerOf(Identity identity) const override {
    return std::make_unique<PolicyEventAuthorizer>(policies_, clock_, std::move(identity));
  }

  bool Ready(const Identity& identity) const override {
    return identity.root || policies_->HasAclOf(identity.policies);
  }

  std::shared_ptr<const Acl> RulesOf(const Identity& identity) const override {
    return policies_->AclOf(identity.policies, identity.token_id);
  }

  std::shared_ptr<const void> Watch(
      const Identity& identity, std::function<void(std::string_view reason)> ended) const override {
    return tokens_->Watch(identity.token_id,
                          [ended = std::move(ended)](TokenEnd end) { ended(ReasonOf(end)); });
  }

  std::shared_ptr<const void> WatchPolicies(std::function<void()> changed) const override {
    return policies_->Watch(std::move(changed));
  }

 private:
  PolicyStore* const policies_;
  TokenStore* const tokens_;
  const Clock* const clock_;
};

}  // namespace

bool Identity::Lasts(absl::Time now) const {
  return life == nullptr || life->Lasts(now);
}

Identity IdentityOf(std::shared_ptr<const LiveToken> token) {
  const TokenEntry& entry = token->entry;
  Identity identity{.accessor = entry.accessor,
                    .display_name = entry.display_name,
                    .policies = entry.policies,
                    .root = entry.root(),
                    .limited = entry.num_uses != 0,
                    .token_id = entry.id,
                    .life = token->life};
  identity.token = std::move(token);
  return identity;
}

bool Authorizer::FinishUse(const Identity&) const {
  return false;
}

absl::Status Authorizer::EndUsedUp(const Identity&) const {
  return absl::OkStatus();
}

bool Authorizer::Ready(const Identity&) const {
  return true;
}

absl::StatusOr<Identity> Authorizer::AuthenticateRequest(std::string_view token) const {
  return Authenticate(token);
}

std::unique_ptr<EventAuthorizer> Authorizer::EventAuthorizerOf(Identity identity) const {
  return std::make_unique<PlainEventAuthorizer>(this, std::move(identity));
}

// NOLINTBEGIN(performance-unnecessary-value-param): others keep the function.
std::shared_ptr<const void> Authorizer::Watch(const Identity&,
                                              std::function<void(std::string_view)>) const {
  // Where tokens never end there is nothing to hear.
  return std::make_shared<const int>(0);
}

std::shared_ptr<const void> Authorizer::WatchPolicies(std::function<void()>) const {
  // Where policies never change there is nothing to hear.
  return std::make_shared<const int>(0);
}
// NOLINTEND(performance-unnecessary-value-param)

std::unique_ptr<Authorizer> NewAuthorizer(PolicyStore* policies, TokenStore* tokens,
                                          const Clock* clock) {
  return std::make_unique<StoreAuthorizer>(policies, tokens, clock);
}

}  // namespace belfry::access
