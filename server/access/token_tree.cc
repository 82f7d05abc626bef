#include "server/access/token_tree.h"

#include <algorithm>
#include <cassert>
#include <cstddef>

namespace belfry::access {

std::string_view ReasonOf(TokenEnd end) {
  switch (end) {
    case TokenEnd::kRevoked:
      return "token revoked";
    case TokenEnd::kParentRevoked:
      return "parent token revoked";
    case TokenEnd::kExpired:
      return "token expired";
    case TokenEnd::kUsedUp:
      return "token used up";
  }
  return "";
}

std::vector<TokenEntry> TokenTree::Restore(std::vector<TokenEntry> entries) {
  std::multimap<std::string, TokenEntry> by_parent;
  for (TokenEntry& entry : entries) {
    std::string parent = entry.parent;
    by_parent.emplace(std::move(parent), std::move(entry));
  }
  // From the orphans down: what is not reached has lost its parent.
  std::vector<std::string> parents = {""};
  for (std::size_t i = 0; i < parents.size(); ++i) {
    auto [child, end] = by_parent.equal_range(parents[i]);
    while (child != end) {
      if (child->second.used_up()) {
        ++child;
        continue;
      }
      parents.push_back(child->second.id);
      Insert(std::move(child->second));
      child = by_parent.erase(child);
    }
  }
  std::vector<TokenEntry> strays;
  for (auto& [parent, entry] : by_parent) strays.push_back(std::move(entry));
  return strays;
}

TokenTree::TokenPtr TokenTree::Find(std::string_view id) const {
  const auto it = records_.find(id);
  return it == records_.end() ? nullptr : it->second.token;
}

std::vector<TokenTree::TokenPtr> TokenTree::All() const {
  std::vector<TokenPtr> tokens;
  tokens.reserve(records_.size());
  for (const auto& [id, record] : records_) tokens.push_back(record.token);
  return tokens;
}

TokenTree::TokenPtr TokenTree::Insert(TokenEntry entry) {
  if (!entry.orphan()) records_.at(entry.parent).children.insert(entry.id);
  Record& record = records_[entry.id];
  record.life = std::make_shared<TokenValidity>(LastsUntil(entry));
  Set(std::move(entry), record);
  return record.token;
}

TokenTree::TokenPtr TokenTree::Change(TokenEntry entry) {
  Record& record = records_.at(entry.id);
  const TokenEntry& old = record.token->entry;
  if (entry.orphan() && !old.orphan()) records_.at(old.parent).children.erase(entry.id);
  expiries_.erase({old.expires, entry.id});
  Set(std::move(entry), record);
  SetLifetimes(record);
  return record.token;
}

TokenTree::TokenPtr TokenTree::BeginUse(TokenEntry entry) {
  Record& record = records_.at(entry.id);
  ++record.uses_under_way;
  if (entry.used_up()) record.life->UseUp();
  return Change(std::move(entry));
}

bool TokenTree::FinishUse(const LiveToken& token) {
  const auto it = records_.find(token.entry.id);
  // Another token may have got its secret since.
  if (it == records_.end() || it->second.life != token.life) return false;
  assert(it->second.uses_under_way > 0);
  --it->second.uses_under_way;
  return it->second.uses_under_way == 0 && it->second.token->entry.used_up();
}

void TokenTree::Set(TokenEntry entry, Record& record) {
  if (entry.expires != absl::InfiniteFuture()) expiries_.emplace(entry.expires, entry.id);
  record.token = std::make_shared<const LiveToken>(LiveToken{std::move(entry), record.life});
}

std::vector<TokenEntry> TokenTree::ChildrenAsOrphans(const std::string& id) const {
  std::vector<TokenEntry> orphans;
  for (const std::string& child : records_.at(id).children) {
    orphans.push_back(records_.at(child).token->entry);
    orphans.back().parent.clear();
  }
  return orphans;
}

absl::Time TokenTree::LastsUntil(const TokenEntry& entry) const {
  if (entry.orphan()) return entry.expires;
  return std::min(entry.expires, records_.at(entry.parent).life->expires());
}

void TokenTree::SetLifetimes(Record& top) {
  std::vector<Record*> waiting = {&top};
  while (!waiting.empty()) {
    Record& record = *waiting.back();
    waiting.pop_back();
    record.life->SetExpiry(LastsUntil(record.token->entry));
    for (const std::string& child : record.children) waiting.push_back(&records_.at(child));
  }
}

std::vector<std::string> TokenTree::Subtrees(const std::vector<std::string>& tops) const {
  std::vector<std::string> ids;
  std::vector<const Record*> records;
  std::set<const Record*> seen;
  const auto add = [&](const std::string& id) {
    const auto it = records_.find(id);
    if (it == records_.end() || !seen.insert(&it->second).second) return;
    ids.push_back(id);
    records.push_back(&it->second);
  };
  for (const std::string& top : tops) add(top);
  for (std::size_t i = 0; i < records.size(); ++i) {
    for (const std::string& child : records[i]->children) add(child);
  }
  return ids;
}

std::vector<TokenTree::EndedToken> TokenTree::Drop(const std::vector<std::string>& tops,
                                                   TokenEnd end) {
  std::vector<EndedToken> ended;
  for (const std::string& top : tops) {
    const TokenPtr token = Find(top);
    if (token == nullptr) continue;
    if (!token->entry.orphan()) records_.at(token->entry.parent).children.erase(top);
    for (const std::string& id : Subtrees({top})) {
      ended.push_back(Forget(id, id == top ? end : TokenEnd::kParentRevoked));
    }
  }
  return ended;
}

TokenTree::EndedToken TokenTree::Forget(const std::string& id, TokenEnd end) {
  const auto it = records_.find(id);
  Record& record = it->second;
  record.life->End();
  expiries_.erase({record.token->entry.expires, id});
  EndedToken ended{
      .token = std::move(record.token), .end = end, .watchers = std::move(record.watchers)};
  records_.erase(it);
  return ended;
}

absl::Time TokenTree::NextExpiry() const {
  return expiries_.empty() ? absl::InfiniteFuture() : expiries_.begin()->first;
}

std::vector<std::string> TokenTree::Due(absl::Time now, std::size_t most) const {
  std::vector<std::string> due;
  for (const auto& [expires, id] : expiries_) {
    if (expires > now || due.size() == most) break;
    due.push_back(id);
  }
  return due;
}

bool TokenTree::Watch(std::string_view id, std::weak_ptr<const Ended> watcher) {
  const auto it = records_.find(id);
  if (it == records_.end()) return false;
  std::erase_if(it->second.watchers, [](const auto& other) { return other.expired(); });
  it->second.watchers.push_back(std::move(watcher));
  return true;
}

}  // namespace belfry::access
