#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "server/access/keyed_hash.h"
#include "server/access/token.h"
#include "server/access/token_index.h"
#include "server/access/token_tree.h"
#include "server/storage/storage.h"

namespace belfry::access {

// The tokens of the server. On storage a token is a keyed hash of its secret and what it may do:
// who reads the storage cannot act as anybody. An expired token is invalid at once; ExpireDue ends
// it, with all that descend from it.
//
// Thread-safe. Changes are made one at a time and wait for storage. Each is one batch: on an error
// nothing has changed. Find, FindByAccessor, Accessors, Knows and Watch never wait for storage;
// until a change is committed they answer as before it.
class TokenStore {
 public:
  // Called when a token ends, on the thread that ends it, before that call or any other revocation
  // by id returns. Must not call the store, and not block for long.
  using Ended = TokenTree::Ended;
  using TokenPtr = TokenTree::TokenPtr;
  // Called with each token that ends, on the thread that ends it, before that call returns. It may
  // block as long as storage does, and must not call the store.
  using OnEnd = std::function<void(const TokenEntry&)>;

  // Reads what is stored; what ended since it was stored is gone, and `on_end` has been called with
  // it when Open returns. All must outlive the store.
  static absl::StatusOr<std::unique_ptr<TokenStore>> Open(
      storage::Storage* storage, const Clock* clock, OnEnd on_end = [](const TokenEntry&) {});

  // A root token that never expires, with this secret. As in Vault, dev mode's looks as if a
  // request had made it.
  enum class RootKind { kOfDevMode, kGenerated };
  absl::StatusOr<TokenPtr> CreateRoot(std::string_view secret,
                                      RootKind kind = RootKind::kOfDevMode);
  // Gives a planned token its secret, accessor and times; `planned` then holds them.
  // InvalidArgument when its parent is gone or its secret is taken.
  absl::StatusOr<TokenPtr> Create(PlannedToken* planned);

  // nullptr when the secret is unknown, revoked, expired or used up.
  TokenPtr Find(std::string_view secret) const;
  TokenPtr FindByAccessor(std::string_view accessor) const;
  // Find, and one of its uses is spent, where those are limited: then the caller calls FinishUse
  // when all is done that it was spent for. After the last use the token can be neither used nor
  // found, but it lasts for what its uses were spent for.
  absl::StatusOr<TokenPtr> Use(std::string_view secret);
  // True if the token is used up and this was the last request under way that spent one of its
  // uses: then EndUsedUp is to be called. Does not wait for storage.
  bool FinishUse(const LiveToken& token);
  absl::Status EndUsedUp(const LiveToken& token);
  // In order.
  std::vector<std::string> Accessors() const;
  // Whether there is such a token, whatever it is good for.
  bool Knows(std::string_view id) const;
  bool KnowsAccessor(std::string_view accessor) const;

  // As PlanRenewal says, and its warnings. InvalidArgument as there, or "token not found". A
  // renewal that came in time counts, even if the time is over when it is stored.
  struct Renewed {
    TokenPtr token;
    std::vector<std::string> warnings;
  };
  absl::StatusOr<Renewed> Renew(const std::string& id, absl::Duration increment,
                                const TokenRole* role = nullptr, const Limits& limits = Limits());
  // Ends the token and all that descend from it, all of them or none. OK when it was gone.
  absl::Status Revoke(const std::string& id);
  // Ends every token that was made at a path below this one, which ends in '/', with all that
  // descend from them: all of them or none.
  absl::Status RevokeMadeBelow(std::string_view path);
  // Ends only the token; its children become orphans. The children of an expired token have ended
  // with it: they go too.
  absl::Status RevokeOrphan(const std::string& id);
  // Ends what has expired, some at a time, between which others make their changes; returns when
  // the next one does: in the past when storage refused.
  absl::Time ExpireDue();

  // Calls `ended` once, as long as the result is kept; a call may still be under way when it is
  // dropped. nullptr when the token is gone already: no end is missed.
  std::shared_ptr<const void> Watch(const std::string& id, Ended ended);

  // Calls `listener` with the time of the next expiry whenever that comes nearer. It must neither
  // block nor call the store. Only before the store is used by several threads, or when it is used
  // no more.
  void OnEarlierExpiry(std::function<void(absl::Time)> listener);

 private:
  using EndedTokens = std::vector<TokenTree::EndedToken>;

  TokenStore(storage::Storage* storage, const Clock* clock, OnEnd on_end)
      : storage_(storage), clock_(clock), on_end_(std::move(on_end)) {}

  absl::Status Load();
  absl::Status LoadKey();
  void DropStrays(const std::vector<TokenEntry>& strays);
  std::string IdOf(std::string_view secret) const;
  // Itself, or nullptr when it has expired.
  TokenPtr IfLasting(TokenPtr token) const;
  // The token with this id, or nullptr. With writing_ held, only the clock can end it later.
  TokenPtr Lasting(std::string_view id) const { return IfLasting(by_id_.Find(id)); }
  absl::Status Write(const TokenEntry& entry) ABSL_EXCLUSIVE_LOCKS_REQUIRED(writing_);
  // Has look-ups find the token as it is now.
  void Index(const TokenPtr& token);
  // Ends these tokens and all that descend from them, as one batch.
  absl::Status End(const std::vector<std::string>& tops, TokenEnd end, EndedTokens* ended)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(writing_);
  absl::Status EndSome(const std::vector<std::string>& ids, TokenEnd end);
  absl::Status EndWithoutChildren(const std::string& id, EndedTokens* ended)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(writing_);
  // Whether something had expired and has been ended.
  bool EndDue();
  // For what the tree has dropped.
  void UnindexAndNotifyWatchers(const EndedTokens& ended) ABSL_EXCLUSIVE_LOCKS_REQUIRED(writing_);
  void NotifyListener(const EndedTokens& ended) const;

  storage::Storage* const storage_;
  const Clock* const clock_;
  const OnEnd on_end_;
  std::optional<KeyedHash> hash_;  // Once its key has been read.
  std::function<void(absl::Time)> on_earlier_expiry_ = [](absl::Time) {};
  // Held by every change from its decision until its watchers have been called: what was decided
  // still holds when it is committed, and a second revocation of a token waits for the first. Only
  // changes wait for it. Locked before mutex_.
  Mutex writing_;
  // What look-ups see: the tokens of tree_. Changed with writing_ held.
  TokenIndex by_id_;
  TokenIndex by_accessor_;
  // Not held while storage is waited for, or while watchers are called.
  mutable Mutex mutex_;
  TokenTree tree_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace belfry::access
