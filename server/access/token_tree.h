#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "server/access/token.h"

namespace belfry::access {

enum class TokenEnd { kRevoked, kParentRevoked, kExpired, kUsedUp };
// A sentence for clients that lose a connection by it.
std::string_view ReasonOf(TokenEnd end);

// Which token descends from which, how long each lasts, and who watches it. A token ends with its
// parent at the latest. Knows neither storage nor clock. Not thread-safe; the tokens that it
// returns may be used on any thread, and their TokenValidity follows the tree.
class TokenTree {
 public:
  using TokenPtr = std::shared_ptr<const LiveToken>;
  using Ended = std::function<void(TokenEnd)>;
  // A token that has ended, and the watchers to notify.
  struct EndedToken {
    TokenPtr token;
    TokenEnd end;
    std::vector<std::weak_ptr<const Ended>> watchers;
  };

  // Inserts what was stored, in any order, into an empty tree. Returns what is no longer valid: a
  // token whose last use was under way or whose parent is missing, and all that descend from it.
  std::vector<TokenEntry> Restore(std::vector<TokenEntry> entries);

  // nullptr: no such token. One that has expired is there until it is dropped.
  TokenPtr Find(std::string_view id) const;
  std::vector<TokenPtr> All() const;

  // The id must be new, and the parent, if there is one, in the tree.
  TokenPtr Insert(TokenEntry entry);
  // Replaces the entry with this id. The parent stays, or there is none from now on.
  TokenPtr Change(TokenEntry entry);
  // Change, for a request that spends one of the token's uses. FinishUse is to be called, once,
  // when the request is done.
  TokenPtr BeginUse(TokenEntry entry);
  // True if the token is used up and this was the last request under way that spent one of its
  // uses. False if it has ended meanwhile.
  bool FinishUse(const LiveToken& token);
  // The children of a token, as Change makes orphans of them.
  std::vector<TokenEntry> ChildrenAsOrphans(const std::string& id) const;

  // These tokens, if they are there, and all that descend from them: each once.
  std::vector<std::string> Subtrees(const std::vector<std::string>& tops) const;
  // Ends the same tokens and forgets them: one top after the other, parents before children. Only
  // the tops end by `end`, and only those that have not ended with their parent.
  std::vector<EndedToken> Drop(const std::vector<std::string>& tops, TokenEnd end);

  // When the next token expires by its own time, or has expired without being dropped.
  absl::Time NextExpiry() const;
  // Those that have expired by their own time, in order of it; the first ones.
  std::vector<std::string> Due(absl::Time now, std::size_t most) const;

  // Drop returns the watcher if it still exists then. False: no such token.
  bool Watch(std::string_view id, std::weak_ptr<const Ended> watcher);

 private:
  struct Record {
    TokenPtr token;
    std::shared_ptr<TokenValidity> life;
    std::set<std::string> children;
    std::vector<std::weak_ptr<const Ended>> watchers;
    int uses_under_way = 0;
  };

  absl::Time LastsUntil(const TokenEntry& entry) const;
  // Puts the entry into the record, which has its lifetime already.
  void Set(TokenEntry entry, Record& record);
  void SetLifetimes(Record& top);
  EndedToken Forget(const std::string& id, TokenEnd end);

  std::map<std::string, Record, std::less<>> records_;
  std::set<std::pair<absl::Time, std::string>> expiries_;
};

}  // namespace belfry::access
