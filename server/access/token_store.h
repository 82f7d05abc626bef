#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
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
#include "server/storage/storage.h"

namespace belfry::access {

enum class TokenEnd { kRevoked, kParentRevoked, kExpired, kUsedUp };
// A sentence for whoever loses a connection by it.
std::string_view ReasonOf(TokenEnd end);

// The tokens of the server. On storage a token is a keyed hash of its secret and what it may do:
// who reads the storage cannot act as anybody. An expired token is invalid; to end
// it, with all that hangs on it, is for whoever calls ExpireDue. Thread-safe; look-ups never wait
// for storage, the others may.
class TokenStore {
 public:
  // Called when a token ends, on the thread that ends it, before that call or any other revocation
  // by id returns. Must not call the store, and not block for long.
  using Ended = std::function<void(TokenEnd)>;
  using TokenPtr = std::shared_ptr<const LiveToken>;
  // Called with each token that ends, on the thread that ends it, before that call returns. It may
  // block as long as storage does, and must not call the store.
  using OnEnd = std::function<void(const TokenEntry&)>;

  // Reads what is stored; what ended since it was stored is gone, and `on_end` has been told of it
  // when Open returns. All must outlive the store.
  static absl::StatusOr<std::unique_ptr<TokenStore>> Open(
      storage::Storage* storage, const Clock* clock, OnEnd on_end = [](const TokenEntry&) {});

  // A root token that never expires, with this secret.
  absl::StatusOr<TokenPtr> CreateRoot(std::string_view secret);
  // Gives a planned token its secret, accessor and times; `planned` then holds them.
  // InvalidArgument when its parent is gone or its secret is taken.
  absl::StatusOr<TokenPtr> Create(PlannedToken* planned);

  // nullptr when the secret is unknown, revoked, expired or used up.
  TokenPtr Find(std::string_view secret) const;
  TokenPtr FindByAccessor(std::string_view accessor) const;
  // Find, and one of its uses is spent. Whoever spends the last one is to call EndLastUse when all
  // is done that it was spent for; meanwhile nobody else can use or find the token.
  absl::StatusOr<TokenPtr> Use(std::string_view secret);
  absl::Status EndLastUse(const std::string& id);
  // In order.
  std::vector<std::string> Accessors() const;
  // Whether there is such a token, whatever it is good for.
  bool Knows(const std::string& id) const;

  // As PlanRenewal says, and its warnings. InvalidArgument as there, or "token not found".
  struct Renewed {
    TokenPtr token;
    std::vector<std::string> warnings;
  };
  absl::StatusOr<Renewed> Renew(const std::string& id, absl::Duration increment,
                                const TokenRole* role = nullptr);
  // Ends the token and all that descend from it. OK when it was gone. On an error nothing changed.
  absl::Status Revoke(const std::string& id);
  // Ends only the token; its children become orphans.
  absl::Status RevokeOrphan(const std::string& id);
  // Ends what has expired, and says when the next one does.
  absl::Time ExpireDue();

  // Has `ended` called once, as long as the result is kept; a call may still be under way when it
  // is dropped. nullptr when the token is gone already.
  std::shared_ptr<const void> Watch(const std::string& id, Ended ended);

  // Has `listener` called with the time of the next expiry, whenever that comes nearer. It must
  // neither block nor call the store. Only before the store is used by several threads, or when
  // nobody uses it any more.
  void OnEarlierExpiry(std::function<void(absl::Time)> listener);

 private:
  struct Record {
    TokenPtr token;
    std::shared_ptr<TokenValidity> life;
    std::set<std::string> children;
    std::vector<std::weak_ptr<Ended>> watchers;
  };
  using Records = std::map<std::string, Record, std::less<>>;
  // A token that has ended, and who is to be told.
  struct EndedToken {
    TokenPtr token;
    TokenEnd end;
    std::vector<std::weak_ptr<Ended>> watchers;
  };
  using EndedTokens = std::vector<EndedToken>;

  TokenStore(storage::Storage* storage, const Clock* clock, OnEnd on_end)
      : storage_(storage), clock_(clock), on_end_(std::move(on_end)) {}

  absl::Status Load();
  absl::Status LoadKey();
  void DropStrays(EndedTokens* ended) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::string IdOf(std::string_view secret) const;
  absl::Status Write(const TokenEntry& entry);
  // Itself, or nullptr when it has expired.
  TokenPtr IfLasting(TokenPtr token) const;
  Record& Insert(TokenEntry entry) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Stores the entry in place of the record's.
  absl::Status Change(TokenEntry entry, Record* record) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void PublishSnapshot(TokenEntry entry, Record* record) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The record of a token that lasts, or nullptr.
  Record* Lasting(std::string_view id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void SetLifetimes(Record& record) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status End(const std::string& id, TokenEnd end, EndedTokens* ended)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Forgets a token that has gone from storage, and all that descend from it.
  void Drop(Records::iterator top, TokenEnd end, EndedTokens* ended)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Forget(Records::iterator it, TokenEnd end, EndedTokens* ended)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Expire(EndedTokens* ended) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status EndAndSay(const std::string& id, TokenEnd end);
  static void NotifyWatchers(const EndedTokens& ended);
  void NotifyListener(const EndedTokens& ended) const;
  // Whether this token's expiry is the next of all; then the listener is to be told.
  bool IsNext(const TokenEntry& entry) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  storage::Storage* const storage_;
  const Clock* const clock_;
  const OnEnd on_end_;
  std::optional<KeyedHash> hash_;  // Once its key has been read.
  std::function<void(absl::Time)> on_earlier_expiry_ = [](absl::Time) {};
  // What look-ups see: the tokens of records_.
  TokenIndex by_id_;
  TokenIndex by_accessor_;
  // Held while a change is written, so that what is stored and what is used agree.
  mutable Mutex mutex_;
  Records records_ ABSL_GUARDED_BY(mutex_);
  std::set<std::pair<absl::Time, std::string>> expiries_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace belfry::access
