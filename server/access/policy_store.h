#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/limits.h"
#include "base/lru_cache.h"
#include "base/mutex.h"
#include "server/access/acl.h"
#include "server/access/policy.h"
#include "server/storage/storage.h"

namespace belfry::access {

// The name as policies are stored under: without blanks around it, in lower case.
std::string PolicyName(std::string_view name);

// Such names, each once, in order, without empty ones.
std::vector<std::string> PolicyNames(const std::vector<std::string>& names);

// The same for what somebody is to have: only "root" when that is among them.
std::vector<std::string> CleanPolicies(const std::vector<std::string>& names);

// The policies of the server: those that are stored, and `root`, which stands for everything.
//
// Thread-safe. Put and Delete wait for storage, all others never do: until a change is committed
// they answer as before it. Changes that are made at the same time come into force in the order of
// their commits.
class PolicyStore {
 public:
  // Reads what is stored; where there is no `default`, stores the one that every token gets.
  // `storage` must outlive the store. FailedPrecondition when a stored policy cannot be read.
  static absl::StatusOr<std::unique_ptr<PolicyStore>> Open(storage::Storage* storage,
                                                           const Limits& limits = Limits());

  // In lexical order, `root` among them.
  std::vector<std::string> Names() const;
  // nullptr when there is none. What was found stays as it was.
  std::shared_ptr<const Policy> Find(std::string_view name) const;

  // Writes a policy, given as text or as the base64 of one. InvalidArgument, in Vault's words, when
  // it cannot be read or is not to be changed.
  absl::Status Put(std::string_view name, std::string_view text);
  // OK when there was none; InvalidArgument for those that must stay.
  absl::Status Delete(std::string_view name);

  // What these policies say together; names without a policy say nothing. To put that together
  // takes as long as they have rules; it is kept until the token ends that used it last, within
  // max_rule_cache_bytes, and as long as a caller holds it; and where one of the policies changes,
  // what comes instead is put together before the change is seen, so that no publisher of events
  // does it. `token_id` as in TokenStore.
  std::shared_ptr<const Acl> AclOf(const std::vector<std::string>& names,
                                   std::string_view token_id = "") const;
  // Whether it is there, so that AclOf costs little.
  bool HasAclOf(const std::vector<std::string>& names) const;
  // To be called when a token has ended: keeps nothing that was for it alone.
  void OnTokenEnd(const std::vector<std::string>& names, std::string_view token_id);
  // What is kept of such answers.
  std::size_t acl_bytes() const;

  // Grows with each change, before Put or Delete return: what was decided at another version is to
  // be decided again.
  std::uint64_t version() const { return version_.load(std::memory_order_acquire); }

  // Has `changed` called after each change and before Put or Delete return, on their thread, as
  // long as the result is kept; a call may still be under way when it is dropped. It may ask the
  // store, but neither change anything nor watch, and must not block for long.
  std::shared_ptr<const void> Watch(std::function<void()> changed);

 private:
  // Rules that were put together, and the token that used them last.
  struct CachedAcl {
    std::vector<std::string> names;  // As asked for, of policies that there are or are not.
    std::shared_ptr<const Acl> acl;
    std::string token_id;
  };
  using Policies = std::map<std::string, std::shared_ptr<const Policy>, std::less<>>;
  struct Change {
    std::string name;
    std::shared_ptr<const Policy> policy;  // nullptr: there is none from now on.
  };

  PolicyStore(storage::Storage* storage, const Limits& limits);
  // Names what policies of these names there are.
  std::string KeyOf(const std::vector<std::string>& names) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  static std::vector<std::shared_ptr<const Policy>> Found(const Policies& policies,
                                                          const std::vector<std::string>& names);
  // What a caller still holds; else nullptr.
  std::shared_ptr<const Acl> HeldAcl(const std::string& key) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Keep(CachedAcl cached) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status Load();
  // When it returns, the change is stored and in force, or neither.
  absl::Status Make(Change change);
  // Has everybody decide by all that is committed.
  void ApplyCommitted();
  // Returns what was there before.
  static std::shared_ptr<const Policy> Set(const Change& change, Policies* policies);
  void Apply(Change change) ABSL_EXCLUSIVE_LOCKS_REQUIRED(applying_);
  std::vector<CachedAcl> RulesWith(const Change& change) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(applying_);
  void NotifyWatchers();

  storage::Storage* const storage_;
  std::atomic<std::uint64_t> version_ = 1;
  // Held while what is committed comes into force, one change after the other; never while storage
  // is waited for. Locked before mutex_.
  Mutex applying_;
  // What the last change replaced: most who hold it let go of it before the next, so that it is not
  // a publisher of events who frees it.
  std::vector<CachedAcl> replaced_ ABSL_GUARDED_BY(applying_);
  Mutex watchers_mutex_;
  std::vector<std::weak_ptr<std::function<void()>>> watchers_ ABSL_GUARDED_BY(watchers_mutex_);
  // Of those that have gone some may still be listed: they are taken out when so many are reached.
  std::size_t tidy_at_ ABSL_GUARDED_BY(watchers_mutex_) = 16;
  mutable Mutex mutex_;
  Policies policies_ ABSL_GUARDED_BY(mutex_);
  // Stored, in this order, and not in force yet.
  std::deque<Change> committed_ ABSL_GUARDED_BY(mutex_);
  // By the policies that there are of each.
  mutable LruCache<CachedAcl> acls_ ABSL_GUARDED_BY(mutex_);
  // Also those that are too large to be kept: a hundred subscriptions with the same policies have
  // one, and not each its own, rebuilt whenever any policy changes. A key is valid as long as its
  // Acl, which holds the policies. Tidied as watchers_.
  mutable std::unordered_map<std::string, std::weak_ptr<const Acl>> held_ ABSL_GUARDED_BY(mutex_);
  mutable std::size_t tidy_held_at_ ABSL_GUARDED_BY(mutex_) = 16;
};

}  // namespace belfry::access
