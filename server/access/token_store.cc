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
// One batch: whatever else is to be written waits for it.
constexpr std::size_t kMostExpiriesAtOnce = 1000;

std::string StorageKey(std::string_view id) {
  return Concat({kIds, id});
}

}  // namespace

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
  return *key ? absl::OkStatus() : storage::Put(*storage_, kKeyName, known);
}

absl::Status TokenStore::Load() {
  std::vector<TokenEntry> entries;
  const absl::Status read =
      storage::ForEach(*storage_, kIds, [&entries](const storage::Entry& stored) {
        absl::StatusOr<TokenEntry> entry = TokenFromBytes(stored.value);
        if (!entry.ok()) return entry.status();
        entries.push_back(*std::move(entry));
        return absl::OkStatus();
      });
  if (!read.ok()) return read;
  std::vector<TokenEntry> strays;
  {
    MutexLock lock(&mutex_);
    strays = tree_.Restore(std::move(entries));
    for (const TokenPtr& token : tree_.All()) Index(token);
  }
  DropStrays(strays);
  return absl::OkStatus();
}

// The process ended during a last use; or, in an earlier version, when it had deleted a parent but
// not yet the children.
void TokenStore::DropStrays(const std::vector<TokenEntry>& strays) {
  if (strays.empty()) return;
  storage::WriteBatch batch;
  for (const TokenEntry& stray : strays) batch.Delete(StorageKey(stray.id));
  // If they cannot be deleted now, they are strays again the next time.
  storage::CommitAndWait(*storage_, std::move(batch)).IgnoreError();
  for (const TokenEntry& stray : strays) on_end_(stray);
}

std::string TokenStore::IdOf(std::string_view secret) const {
  return hash_->Of(secret);
}

absl::Status TokenStore::Write(const TokenEntry& entry) {
  return storage::Put(*storage_, StorageKey(entry.id), TokenToBytes(entry));
}

TokenStore::TokenPtr TokenStore::IfLasting(TokenPtr token) const {
  if (token == nullptr || token->entry.used_up() || !token->life->Lasts(clock_->Now())) {
    return nullptr;
  }
  return token;
}

void TokenStore::Index(const TokenPtr& token) {
  by_id_.Put(token->entry.id, token);
  by_accessor_.Put(token->entry.accessor, token);
}

absl::StatusOr<TokenStore::TokenPtr> TokenStore::CreateRoot(std::string_view secret,
                                                            RootKind kind) {
  PlannedToken planned{.secret = std::string(secret)};
  planned.entry.policies = {"root"};
  const bool generated = kind == RootKind::kGenerated;
  planned.entry.display_name = generated ? "root" : "token";
  planned.entry.path = generated ? kGeneratedRootPath : "auth/token/create";
  return Create(&planned);
}

absl::StatusOr<TokenStore::TokenPtr> TokenStore::Create(PlannedToken* planned) {
  TokenEntry& entry = planned->entry;
  if (planned->secret.empty()) planned->secret = Concat({"hvs.", RandomBase62(kSecretLength)});
  entry.id = IdOf(planned->secret);
  // The secret of one that has expired is free.
  if (Knows(entry.id) && Lasting(entry.id) == nullptr) ExpireDue();
  entry.accessor = RandomBase62(kAccessorLength);
  entry.created = clock_->Now();
  entry.expires = entry.creation_ttl > absl::ZeroDuration() ? entry.created + entry.creation_ttl
                                                            : absl::InfiniteFuture();
  TokenPtr token;
  bool is_earlier = false;
  {
    MutexLock writing(&writing_);
    if (Knows(entry.id)) {
      return absl::InvalidArgumentError("cannot create a token with a duplicate ID");
    }
    if (!entry.orphan() && Lasting(entry.parent) == nullptr) {
      return absl::InvalidArgumentError("parent token lookup failed: no parent found");
    }
    if (absl::Status status = Write(entry); !status.ok()) return status;
    MutexLock lock(&mutex_);
    is_earlier = entry.expires < tree_.NextExpiry();
    token = tree_.Insert(entry);
    Index(token);
  }
  if (is_earlier) on_earlier_expiry_(entry.expires);
  return token;
}

TokenStore::TokenPtr TokenStore::Find(std::string_view secret) const {
  return Lasting(IdOf(secret));
}

TokenStore::TokenPtr TokenStore::FindByAccessor(std::string_view accessor) const {
  return IfLasting(by_accessor_.Find(accessor));
}

absl::StatusOr<TokenStore::TokenPtr> TokenStore::Use(std::string_view secret) {
  TokenPtr token = Find(secret);
  if (token == nullptr || token->entry.num_uses == 0) return token;
  MutexLock writing(&writing_);
  // As the last change has left it.
  token = Lasting(token->entry.id);
  if (token == nullptr) return nullptr;
  TokenEntry used = token->entry;
  used.num_uses = used.num_uses == 1 ? kLastUse : used.num_uses - 1;
  if (absl::Status status = Write(used); !status.ok()) return status;
  MutexLock lock(&mutex_);
  token = tree_.BeginUse(std::move(used));
  Index(token);
  return token;
}

bool TokenStore::FinishUse(const LiveToken& token) {
  MutexLock lock(&mutex_);
  return tree_.FinishUse(token);
}

absl::Status TokenStore::EndUsedUp(const LiveToken& token) {
  EndedTokens ended;
  absl::Status status;
  {
    MutexLock writing(&writing_);
    const TokenPtr known = by_id_.Find(token.entry.id);
    // Another token may have got its secret since.
    if (known == nullptr || known->life != token.life) return absl::OkStatus();
    status = End({token.entry.id}, TokenEnd::kUsedUp, &ended);
  }
  NotifyListener(ended);
  return status;
}

std::vector<std::string> TokenStore::Accessors() const {
  std::vector<TokenPtr> tokens;
  {
    MutexLock lock(&mutex_);
    tokens = tree_.All();
  }
  std::vector<std::string> accessors;
  for (const TokenPtr& token : tokens) {
    if (IfLasting(token) != nullptr) accessors.push_back(token->entry.accessor);
  }
  std::sort(accessors.begin(), accessors.end());
  return accessors;
}

bool TokenStore::Knows(std::string_view id) const {
  return by_id_.Find(id) != nullptr;
}

bool TokenStore::KnowsAccessor(std::string_view accessor) const {
  return by_accessor_.Find(accessor) != nullptr;
}

absl::StatusOr<TokenStore::Renewed> TokenStore::Renew(const std::string& id,
                                                      absl::Duration increment,
                                                      const TokenRole* role, const Limits& limits) {
  Renewed renewed;
  bool is_earlier = false;
  {
    MutexLock writing(&writing_);
    const TokenPtr token = Lasting(id);
    if (token == nullptr) return absl::InvalidArgumentError("token not found");
    const absl::Time now = clock_->Now();
    absl::StatusOr<PlannedRenewal> planned =
        PlanRenewal(token->entry, increment, now, role, limits);
    if (!planned.ok()) return planned.status();
    TokenEntry entry = token->entry;
    entry.expires = now + planned->ttl;
    entry.last_renewal = now;
    if (absl::Status status = Write(entry); !status.ok()) return status;
    MutexLock lock(&mutex_);
    is_earlier = entry.expires < tree_.NextExpiry();
    renewed = {.token = tree_.Change(std::move(entry)), .warnings = std::move(planned->warnings)};
    Index(renewed.token);
  }
  if (is_earlier) on_earlier_expiry_(renewed.token->entry.expires);
  return renewed;
}

absl::Status TokenStore::Revoke(const std::string& id) {
  return EndSome({id}, TokenEnd::kRevoked);
}

absl::Status TokenStore::RevokeMadeBelow(std::string_view path) {
  std::vector<std::string> ids;
  {
    MutexLock lock(&mutex_);
    for (const TokenPtr& token : tree_.All()) {
      if (token->entry.path.starts_with(path)) ids.push_back(token->entry.id);
    }
  }
  return EndSome(ids, TokenEnd::kRevoked);
}

absl::Status TokenStore::EndSome(const std::vector<std::string>& ids, TokenEnd end) {
  EndedTokens ended;
  absl::Status status;
  {
    MutexLock writing(&writing_);
    status = End(ids, end, &ended);
  }
  NotifyListener(ended);
  return status;
}

absl::Status TokenStore::RevokeOrphan(const std::string& id) {
  EndedTokens ended;
  absl::Status status;
  {
    MutexLock writing(&writing_);
    const TokenPtr token = by_id_.Find(id);
    if (token == nullptr) return absl::OkStatus();
    status = token->life->Lasts(clock_->Now()) ? EndWithoutChildren(id, &ended)
                                               : End({id}, TokenEnd::kExpired, &ended);
  }
  NotifyListener(ended);
  return status;
}

absl::Status TokenStore::End(const std::vector<std::string>& tops, TokenEnd end,
                             EndedTokens* ended) {
  storage::WriteBatch batch;
  {
    MutexLock lock(&mutex_);
    for (const std::string& id : tree_.Subtrees(tops)) batch.Delete(StorageKey(id));
  }
  if (batch.operations.empty()) return absl::OkStatus();
  absl::Status status = storage::CommitAndWait(*storage_, std::move(batch));
  if (!status.ok()) return status;
  {
    MutexLock lock(&mutex_);
    *ended = tree_.Drop(tops, end);
  }
  UnindexAndNotifyWatchers(*ended);
  return absl::OkStatus();
}

absl::Status TokenStore::EndWithoutChildren(const std::string& id, EndedTokens* ended) {
  std::vector<TokenEntry> orphans;
  {
    MutexLock lock(&mutex_);
    orphans = tree_.ChildrenAsOrphans(id);
  }
  storage::WriteBatch batch;
  for (const TokenEntry& orphan : orphans) batch.Put(StorageKey(orphan.id), TokenToBytes(orphan));
  batch.Delete(StorageKey(id));
  absl::Status status = storage::CommitAndWait(*storage_, std::move(batch));
  if (!status.ok()) return status;
  {
    MutexLock lock(&mutex_);
    for (TokenEntry& orphan : orphans) Index(tree_.Change(std::move(orphan)));
    *ended = tree_.Drop({id}, TokenEnd::kRevoked);
  }
  UnindexAndNotifyWatchers(*ended);
  return absl::OkStatus();
}

void TokenStore::UnindexAndNotifyWatchers(const EndedTokens& ended) {
  for (const TokenTree::EndedToken& one : ended) {
    by_id_.Erase(one.token->entry.id);
    by_accessor_.Erase(one.token->entry.accessor);
  }
  for (const TokenTree::EndedToken& one : ended) {
    for (const std::weak_ptr<const Ended>& weak : one.watchers) {
      if (const std::shared_ptr<const Ended> watcher = weak.lock()) (*watcher)(one.end);
    }
  }
}

void TokenStore::NotifyListener(const EndedTokens& ended) const {
  for (const TokenTree::EndedToken& one : ended) on_end_(one.token->entry);
}

void TokenStore::OnEarlierExpiry(std::function<void(absl::Time)> listener) {
  on_earlier_expiry_ = std::move(listener);
}

absl::Time TokenStore::ExpireDue() {
  // More may have expired while storage was waited for.
  while (EndDue()) {
  }
  MutexLock lock(&mutex_);
  return tree_.NextExpiry();
}

bool TokenStore::EndDue() {
  EndedTokens ended;
  {
    MutexLock writing(&writing_);
    std::vector<std::string> due;
    {
      MutexLock lock(&mutex_);
      due = tree_.Due(clock_->Now(), kMostExpiriesAtOnce);
    }
    // What storage does not delete now is tried again; its TokenValidity has ended in any case.
    End(due, TokenEnd::kExpired, &ended).IgnoreError();
  }
  NotifyListener(ended);
  return !ended.empty();
}

std::shared_ptr<const void> TokenStore::Watch(const std::string& id, Ended ended) {
  const auto watcher = std::make_shared<const Ended>(std::move(ended));
  // With the lock that Drop needs: a token that is found here calls the watcher when it ends.
  MutexLock lock(&mutex_);
  if (IfLasting(tree_.Find(id)) == nullptr || !tree_.Watch(id, watcher)) return nullptr;
  return watcher;
}

}  // namespace belfry::access
