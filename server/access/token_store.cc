#include "server/access/token_store.h"

#include <algorithm>

#include "base/ids.h"
#include "base/text.h"
#include "server/access/token_record.h"

namespace belfry::access {
namespace {

constexpr char kKeyName[] = "key";
constexpr char kIds[] = "id/";
// Vault's have these lengths, prefix included; tools that look for leaked tokens know them.
constexpr std::size_t kSecretLength = 91;
constexpr std::size_t kAccessorLength = 24;
constexpr std::int64_t kLastUse = -1;

std::string StorageKey(std::string_view id) {
  return Concat({kIds, id});
}

}  // namespace

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

absl::StatusOr<std::unique_ptr<TokenStore>> TokenStore::Open(storage::Storage* storage,
                                                             const Clock* clock, OnEnd on_end) {
  std::unique_ptr<TokenStore> store(new TokenStore(storage, clock, std::move(on_end)));
  if (absl::Status status = store->LoadKey(); !status.ok()) return status;
  if (absl::Status status = store->Load(); !status.ok()) return status;
  store->ExpireDue();
  return store;
}

absl::Status TokenStore::LoadKey() {
  absl::StatusOr<std::optional<std::string>> key = storage_->Get(kKeyName);
  if (!key.ok()) return key.status();
  const std::string known = *key ? **key : RandomBase62(43);  // 256 bits.
  hash_.emplace(known);
  return *key ? absl::OkStatus() : storage_->Put(kKeyName, known);
}

absl::Status TokenStore::Load() {
  const absl::StatusOr<std::vector<std::string>> ids = storage_->List(kIds);
  if (!ids.ok()) return ids.status();
  EndedTokens ended;
  {
    MutexLock lock(&mutex_);
    for (const std::string& id : *ids) {
      const absl::StatusOr<std::optional<std::string>> bytes = storage_->Get(StorageKey(id));
      if (!bytes.ok()) return bytes.status();
      if (!*bytes) continue;
      absl::StatusOr<TokenEntry> entry = TokenFromBytes(**bytes);
      if (!entry.ok()) return entry.status();
      Insert(*std::move(entry));
    }
    DropStrays(&ended);
  }
  NotifyListener(ended);
  return absl::OkStatus();
}

// A revocation deletes the parent first: whoever lost one went with it, though the process may have
// ended before it was deleted too. The same goes for a token whose last use was under way.
void TokenStore::DropStrays(EndedTokens* ended) {
  std::vector<std::string> strays;
  for (auto& [id, record] : records_) {
    const TokenEntry& entry = record.token->entry;
    const auto parent = records_.find(entry.parent);
    if (parent != records_.end()) parent->second.children.insert(id);
    if (entry.used_up() || (!entry.orphan() && parent == records_.end())) strays.push_back(id);
  }
  for (auto& [id, record] : records_) {
    if (record.token->entry.orphan()) SetLifetimes(record);
  }
  for (const std::string& id : strays) {
    const auto stray = records_.find(id);
    if (stray == records_.end()) continue;  // It went with its parent.
    // If it cannot be deleted now, it is a stray again the next time.
    storage_->Delete(StorageKey(id)).IgnoreError();
    Drop(stray, TokenEnd::kParentRevoked, ended);
  }
}

std::string TokenStore::IdOf(std::string_view secret) const {
  return hash_->Of(secret);
}

absl::Status TokenStore::Write(const TokenEntry& entry) {
  return storage_->Put(StorageKey(entry.id), TokenToBytes(entry));
}

TokenStore::TokenPtr TokenStore::IfLasting(TokenPtr token) const {
  if (token == nullptr || token->entry.used_up() || !token->life->Lasts(clock_->Now())) {
    return nullptr;
  }
  return token;
}

TokenStore::Record& TokenStore::Insert(TokenEntry entry) {
  if (entry.expires != absl::InfiniteFuture()) expiries_.emplace(entry.expires, entry.id);
  Record& record = records_[entry.id];
  record.life = std::make_shared<TokenValidity>(entry.expires);
  PublishSnapshot(std::move(entry), &record);
  return record;
}

absl::Status TokenStore::Change(TokenEntry entry, Record* record) {
  if (absl::Status status = Write(entry); !status.ok()) return status;
  PublishSnapshot(std::move(entry), record);
  return absl::OkStatus();
}

void TokenStore::PublishSnapshot(TokenEntry entry, Record* record) {
  record->token = std::make_shared<const LiveToken>(LiveToken{std::move(entry), record->life});
  by_id_.Put(record->token->entry.id, record->token);
  by_accessor_.Put(record->token->entry.accessor, record->token);
}

TokenStore::Record* TokenStore::Lasting(std::string_view id) {
  const auto it = records_.find(id);
  if (it == records_.end() || IfLasting(it->second.token) == nullptr) return nullptr;
  return &it->second;
}

// A token ends with its parent at the latest.
void TokenStore::SetLifetimes(Record& top) {
  std::vector<Record*> waiting = {&top};
  while (!waiting.empty()) {
    Record& record = *waiting.back();
    waiting.pop_back();
    const TokenEntry& entry = record.token->entry;
    const auto parent = records_.find(entry.parent);
    record.life->SetExpiry(parent == records_.end()
                               ? entry.expires
                               : std::min(entry.expires, parent->second.life->expires()));
    for (const std::string& child : record.children) waiting.push_back(&records_.at(child));
  }
}

absl::StatusOr<TokenStore::TokenPtr> TokenStore::CreateRoot(std::string_view secret) {
  PlannedToken planned{.secret = std::string(secret)};
  planned.entry.policies = {"root"};
  planned.entry.display_name = "token";
  planned.entry.path = "auth/token/create";
  return Create(&planned);
}

absl::StatusOr<TokenStore::TokenPtr> TokenStore::Create(PlannedToken* planned) {
  ExpireDue();
  TokenEntry& entry = planned->entry;
  if (planned->secret.empty()) planned->secret = Concat({"hvs.", RandomBase62(kSecretLength)});
  entry.id = IdOf(planned->secret);
  entry.accessor = RandomBase62(kAccessorLength);
  entry.created = clock_->Now();
  entry.expires = entry.creation_ttl > absl::ZeroDuration() ? entry.created + entry.creation_ttl
                                                            : absl::InfiniteFuture();
  TokenPtr token;
  bool is_next = false;
  {
    MutexLock lock(&mutex_);
    if (records_.contains(entry.id)) {
      return absl::InvalidArgumentError("cannot create a token with a duplicate ID");
    }
    Record* const parent = entry.orphan() ? nullptr : Lasting(entry.parent);
    if (!entry.orphan() && parent == nullptr) {
      return absl::InvalidArgumentError("parent token lookup failed: no parent found");
    }
    if (absl::Status status = Write(entry); !status.ok()) return status;
    if (parent != nullptr) parent->children.insert(entry.id);
    Record& record = Insert(entry);
    SetLifetimes(record);
    token = record.token;
    is_next = IsNext(entry);
  }
  if (is_next) on_earlier_expiry_(entry.expires);
  return token;
}

TokenStore::TokenPtr TokenStore::Find(std::string_view secret) const {
  return IfLasting(by_id_.Find(IdOf(secret)));
}

TokenStore::TokenPtr TokenStore::FindByAccessor(std::string_view accessor) const {
  return IfLasting(by_accessor_.Find(accessor));
}

absl::StatusOr<TokenStore::TokenPtr> TokenStore::Use(std::string_view secret) {
  TokenPtr token = Find(secret);
  if (token == nullptr || token->entry.num_uses == 0) return token;
  MutexLock lock(&mutex_);
  Record* const record = Lasting(token->entry.id);
  if (record == nullptr) return nullptr;
  TokenEntry used = record->token->entry;
  used.num_uses = used.num_uses == 1 ? kLastUse : used.num_uses - 1;
  if (absl::Status status = Change(std::move(used), record); !status.ok()) return status;
  return record->token;
}

absl::Status TokenStore::EndLastUse(const std::string& id) {
  return EndAndSay(id, TokenEnd::kUsedUp);
}

std::vector<std::string> TokenStore::Accessors() const {
  std::vector<std::string> accessors;
  MutexLock lock(&mutex_);
  for (const auto& [id, record] : records_) {
    if (IfLasting(record.token) != nullptr) accessors.push_back(record.token->entry.accessor);
  }
  std::sort(accessors.begin(), accessors.end());
  return accessors;
}

bool TokenStore::Knows(const std::string& id) const {
  MutexLock lock(&mutex_);
  return records_.contains(id);
}

absl::StatusOr<TokenStore::Renewed> TokenStore::Renew(const std::string& id,
                                                      absl::Duration increment,
                                                      const TokenRole* role) {
  Renewed renewed;
  bool is_next = false;
  {
    MutexLock lock(&mutex_);
    Record* const record = Lasting(id);
    if (record == nullptr) return absl::InvalidArgumentError("token not found");
    const absl::Time now = clock_->Now();
    TokenEntry entry = record->token->entry;
    absl::StatusOr<PlannedRenewal> planned = PlanRenewal(entry, increment, now, role);
    if (!planned.ok()) return planned.status();
    const absl::Time before = std::exchange(entry.expires, now + planned->ttl);
    entry.last_renewal = now;
    if (absl::Status status = Change(std::move(entry), record); !status.ok()) return status;
    expiries_.erase({before, id});
    expiries_.emplace(record->token->entry.expires, id);
    SetLifetimes(*record);
    renewed = {.token = record->token, .warnings = std::move(planned->warnings)};
    is_next = IsNext(record->token->entry);
  }
  if (is_next) on_earlier_expiry_(renewed.token->entry.expires);
  return renewed;
}

absl::Status TokenStore::Revoke(const std::string& id) {
  return EndAndSay(id, TokenEnd::kRevoked);
}

absl::Status TokenStore::EndAndSay(const std::string& id, TokenEnd end) {
  EndedTokens ended;
  absl::Status status;
  {
    MutexLock lock(&mutex_);
    status = End(id, end, &ended);
    NotifyWatchers(ended);
  }
  NotifyListener(ended);
  return status;
}

absl::Status TokenStore::RevokeOrphan(const std::string& id) {
  EndedTokens ended;
  {
    MutexLock lock(&mutex_);
    const auto it = records_.find(id);
    if (it == records_.end()) return absl::OkStatus();
    // The children first: one that still named a parent that is gone would be taken for revoked.
    for (const std::string& child_id : std::set<std::string>(it->second.children)) {
      Record& child = records_.at(child_id);
      TokenEntry orphan = child.token->entry;
      orphan.parent.clear();
      if (absl::Status status = Change(std::move(orphan), &child); !status.ok()) return status;
      it->second.children.erase(child_id);
      SetLifetimes(child);
    }
    absl::Status status = End(id, TokenEnd::kRevoked, &ended);
    if (!status.ok()) return status;
    NotifyWatchers(ended);
  }
  NotifyListener(ended);
  return absl::OkStatus();
}

absl::Status TokenStore::End(const std::string& id, TokenEnd end, EndedTokens* ended) {
  const auto top = records_.find(id);
  if (top == records_.end()) return absl::OkStatus();
  if (absl::Status status = storage_->Delete(StorageKey(id)); !status.ok()) return status;
  Drop(top, end, ended);
  return absl::OkStatus();
}

void TokenStore::Drop(Records::iterator top, TokenEnd end, EndedTokens* ended) {
  const auto parent = records_.find(top->second.token->entry.parent);
  if (parent != records_.end()) parent->second.children.erase(top->first);
  std::vector<std::string> waiting(top->second.children.begin(), top->second.children.end());
  Forget(top, end, ended);
  while (!waiting.empty()) {
    const auto it = records_.find(waiting.back());
    waiting.pop_back();
    waiting.insert(waiting.end(), it->second.children.begin(), it->second.children.end());
    // One that stays on storage is a stray: the next start drops it.
    storage_->Delete(StorageKey(it->first)).IgnoreError();
    Forget(it, TokenEnd::kParentRevoked, ended);
  }
}

void TokenStore::Forget(Records::iterator it, TokenEnd end, EndedTokens* ended) {
  Record& record = it->second;
  record.life->End();
  const TokenEntry& entry = record.token->entry;
  by_id_.Erase(entry.id);
  by_accessor_.Erase(entry.accessor);
  expiries_.erase({entry.expires, entry.id});
  ended->push_back(
      {.token = std::move(record.token), .end = end, .watchers = std::move(record.watchers)});
  records_.erase(it);
}

// With the lock: whoever revokes a token that another is just revoking waits here, so that its
// answer is true as well.
void TokenStore::NotifyWatchers(const EndedTokens& ended) {
  for (const EndedToken& token_end : ended) {
    for (const std::weak_ptr<Ended>& weak : token_end.watchers) {
      if (const std::shared_ptr<Ended> watcher = weak.lock()) (*watcher)(token_end.end);
    }
  }
}

void TokenStore::NotifyListener(const EndedTokens& ended) const {
  for (const EndedToken& token_end : ended) on_end_(token_end.token->entry);
}

bool TokenStore::IsNext(const TokenEntry& entry) const {
  return !expiries_.empty() && expiries_.begin()->second == entry.id;
}

void TokenStore::OnEarlierExpiry(std::function<void(absl::Time)> listener) {
  on_earlier_expiry_ = std::move(listener);
}

absl::Time TokenStore::ExpireDue() {
  EndedTokens ended;
  absl::Time next = absl::InfiniteFuture();
  {
    MutexLock lock(&mutex_);
    Expire(&ended);
    NotifyWatchers(ended);
    if (!expiries_.empty()) next = expiries_.begin()->first;
  }
  NotifyListener(ended);
  return next;
}

void TokenStore::Expire(EndedTokens* ended) {
  const absl::Time now = clock_->Now();
  while (!expiries_.empty() && expiries_.begin()->first <= now) {
    const std::string id = expiries_.begin()->second;
    // What storage does not let go of now is tried again; by its life it has ended in any case.
    if (!End(id, TokenEnd::kExpired, ended).ok()) return;
  }
}

std::shared_ptr<const void> TokenStore::Watch(const std::string& id, Ended ended) {
  MutexLock lock(&mutex_);
  Record* const record = Lasting(id);
  if (record == nullptr) return nullptr;
  std::erase_if(record->watchers, [](const auto& watcher) { return watcher.expired(); });
  auto watcher = std::make_shared<Ended>(std::move(ended));
  record->watchers.push_back(watcher);
  return watcher;
}

}  // namespace belfry::access
