#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "server/access/acl.h"
#include "server/access/capability.h"
#include "server/access/policy_store.h"
#include "server/access/token.h"
#include "server/access/token_store.h"

namespace belfry::access {

// A token that was valid when it was looked up, without its secret.
struct Identity {
  std::shared_ptr<const LiveToken> token;
  std::string accessor;
  std::string display_name;
  std::string entity_id;
  std::vector<std::string> policies;
  bool root = false;
  bool limited = false;  // Its uses are counted.
  std::string token_id;  // As in TokenStore.
  // Shared: whoever holds the identity may ask whether the token still is one. nullptr: it is for
  // ever.
  std::shared_ptr<const TokenValidity> life;

  // Whether the token is still valid; one that is used up is until EndUsedUp.
  bool Lasts(absl::Time now) const;
};

Identity IdentityOf(std::shared_ptr<const LiveToken> token);

// Decides about the events of one subscription. One call at a time; the Authorizer must outlive it.
class EventAuthorizer {
 public:
  virtual ~EventAuthorizer() = default;
  // Has it decide by the policies and the token as they are now. What it allowed counts as long as
  // this returns the same number.
  virtual std::uint64_t Refresh() = 0;
  // As Authorizer::AllowsEvent, at the time of the last Refresh; before the first, of its making.
  virtual bool Allows(std::string_view path, std::string_view type) = 0;
};

// Answers one question: may X do Y on Z. The only place where a rule of access is decided.
// Thread-safe.
class Authorizer {
 public:
  virtual ~Authorizer() = default;

  // Who holds this token. PermissionDenied "permission denied" when it is empty; Unauthenticated
  // "invalid token" when it is unknown, expired or revoked.
  virtual absl::StatusOr<Identity> Authenticate(std::string_view token) const = 0;
  // The same for a request, which spends one of the token's uses, where those are limited, and then
  // waits for storage. It may be the last one: the identity lasts until the request is done. Then,
  // where the identity is limited, FinishUse is to be called, once, and EndUsedUp if it says so.
  virtual absl::StatusOr<Identity> AuthenticateRequest(std::string_view token) const;
  // As TokenStore::FinishUse.
  virtual bool FinishUse(const Identity& identity) const;
  // Ends the token. What storage said, and then the token can be used no more all the same.
  virtual absl::Status EndUsedUp(const Identity& identity) const;

  // Whether answers about it cost little. The first one after a change of a policy may take as long
  // as its policies have rules, and is not for a thread that others wait for.
  virtual bool Ready(const Identity& identity) const;

  // Whether `identity` may do this. For a request under way it does not matter that its token has
  // ended meanwhile.
  virtual bool Allows(const Identity& identity, const Question& question) const = 0;
  bool Allows(const Identity& identity, Capability capability, std::string_view path) const {
    return Allows(identity, Question{.capability = capability, .path = path});
  }

  // Whether it matters for that which parameters the request has, as Acl::BoundsParameters.
  virtual bool BoundsParameters(const Identity& identity, Capability capability,
                                std::string_view path) const = 0;

  // Whether `identity` may be told of an event of `type` on `path` (with its mount). Never when its
  // token has ended.
  virtual bool AllowsEvent(const Identity& identity, std::string_view path,
                           std::string_view type) const = 0;
  // The same question for many events.
  virtual std::unique_ptr<EventAuthorizer> EventAuthorizerOf(Identity identity) const;

  // What all these answers come from, for callers that explain them or have several questions.
  virtual std::shared_ptr<const Acl> RulesOf(const Identity& identity) const = 0;

  // Has `ended` called once with a reason when the token ends, as TokenStore::Watch. nullptr when
  // it has ended already.
  virtual std::shared_ptr<const void> Watch(
      const Identity& identity, std::function<void(std::string_view reason)> ended) const;
  // Has `changed` called after each change of a policy, as PolicyStore::Watch.
  virtual std::shared_ptr<const void> WatchPolicies(std::function<void()> changed) const;
};

// Decides by these policies and tokens, which must outlive it, as must the clock.
std::unique_ptr<Authorizer> NewAuthorizer(PolicyStore* policies, TokenStore* tokens,
                                          const Clock* clock);

}  // namespace belfry::access
