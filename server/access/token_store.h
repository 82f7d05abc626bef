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
#include "server/access/token.h"
#include "server/base/clock.h"
#include "server/base/mutex.h"
#include "server/storage/storage.h"

namespace belfry::access {

// A token as it was when it was looked up, and whether it still is one.
struct LiveToken {
  TokenEntry entry;
  std::shared_ptr<const TokenLife> life;
};

enum class TokenEnd { kRevoked, kParentRevoked, kExpired, kUsedUp };
// A sentence for whoever loses a connection by it.
std::string_view ReasonOf(TokenEnd end);

// The tokens of the server. On storage a token is a keyed hash of its secret and what it may do:
// who reads the storage cannot act as anybody. Expiry follows the clock at every question; nothing
// sleeps for it. Thread-safe.
class TokenStore {
 public:
  // Called when a token ends, on the thread that ends it, before that call returns. Must not block
  // nor call the store.
  using Ended = std::function<void(TokenEnd)>;

  // Reads what is stored; what expired meanwhile is gone. Both must outlive the store.
  static absl::StatusOr<std::unique_ptr<TokenStore>> Open(storage::Storage* storage,
                                                          const Clock* clock);

  // A root token that never expires, with this secret.
  absl::StatusOr<LiveToken> CreateRoot(std::string_view secret);
  // Gives a planned token its secret, accessor and times; `planned` then holds them.
  // InvalidArgument when its parent is gone or its secret is taken.
  absl::StatusOr<LiveToken> Create(PlannedToken* planned);

  // Nothing when the secret is unknown, revoked or expired.
  std::optional<LiveToken> Find(std::string_view secret);
  std::optional<LiveToken> FindByAccessor(std::string_view accessor);
  // Find, and one of its uses is spent. With the last one the token ends; what is returned tells
  // what it was.
  absl::StatusOr<std::optional<LiveToken>> Use(std::string_view secret);
  // In no order.
  std::vector<std::string> Accessors();

  // `increment` of zero: as long as at first. InvalidArgument as PlanRenewal.
  absl::StatusOr<LiveToken> Renew(const std::string& id, absl::Duration increment);
  // Ends the token and all that descend from it. OK when it was gone. On an error nothing changed.
  absl::Status Revoke(const std::string& id);
  // Ends only the token; its children become orphans.
  absl::Status RevokeOrphan(const std::string& id);
  // Ends what has expired, and says when the next one does.
  absl::Time ExpireDue();

  // Has `ended` called once, as long as the result is kept; a call may still be under way when it
  // is dropped. nullptr when the token is gone already.
  std::shared_ptr<const void> Watch(const std::string& id, Ended ended);

 private:
  struct Record {
    TokenEntry entry;
    std::shared_ptr<TokenLife> life;
    std::set<std::string> children;
    std::vector<std::weak_ptr<Ended>> watchers;
  };
  using Records = std::map<std::string, Record, std::less<>>;
  // Who is to be told that what ended.
  using Farewells = std::vector<std::pair<std::shared_ptr<Ended>, TokenEnd>>;

  TokenStore(storage::Storage* storage, const Clock* clock) : storage_(storage), clock_(clock) {}

  absl::Status Load();
  absl::Status LoadKey();
  void DropStrays();
  std::string IdOf(std::string_view secret) const;
  absl::Status Write(const TokenEntry& entry);
  Record& Insert(TokenEntry entry) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The record of a token that lasts, or nullptr.
  Record* Lasting(std::string_view id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void SetLifetimes(Record& record) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status End(const std::string& id, TokenEnd end, Farewells* farewells)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Forget(Records::iterator it, TokenEnd end, Farewells* farewells)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Expire(Farewells* farewells) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  static void Say(const Farewells& farewells);

  storage::Storage* const storage_;
  const Clock* const clock_;
  std::string key_;
  Mutex mutex_;
  Records records_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, std::string, std::less<>> ids_by_accessor_ ABSL_GUARDED_BY(mutex_);
  std::set<std::pair<absl::Time, std::string>> expiries_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace belfry::access
