#include "server/access/token_store.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <array>

#include "absl/strings/escaping.h"
#include "server/access/token_record.h"
#include "server/base/ids.h"
#include "server/base/text.h"

namespace belfry::access {
namespace {

constexpr char kKeyName[] = "key";
constexpr char kIds[] = "id/";
// Vault's have these lengths, prefix included; tools that look for leaked tokens know them.
constexpr std::size_t kSecretLength = 91;
constexpr std::size_t kAccessorLength = 24;

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
                                                             const Clock* clock) {
  std::unique_ptr<TokenStore> store(new TokenStore(storage, clock));
  if (absl::Status status = store->LoadKey(); !status.ok()) return status;
  if (absl::Status status = store->Load(); !status.ok()) return status;
  store->ExpireDue();
  return store;
}

absl::Status TokenStore::LoadKey() {
  absl::StatusOr<std::optional<std::string>> key = storage_->Get(kKeyName);
  if (!key.ok()) return key.status();
  key_ = *key ? **key : RandomBase62(43);  // 256 bits.
  return *key ? absl::OkStatus() : storage_->Put(kKeyName, key_);
}

absl::Status TokenStore::Load() {
  const absl::StatusOr<std::vector<std::string>> ids = storage_->List(kIds);
  if (!ids.ok()) return ids.status();
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
  }
  DropStrays();
  return absl::OkStatus();
}

// A revocation deletes the parent first: whoever lost one went with it, though the process may have
// ended before it was deleted too.
void TokenStore::DropStrays() {
  Farewells nobody;
  MutexLock lock(&mutex_);
  std::vector<std::string> strays;
  for (auto& [id, record] : records_) {
    if (record.entry.orphan()) continue;
    if (const auto parent = records_.find(record.entry.parent); parent != records_.end()) {
      parent->second.children.insert(id);
    } else {
      strays.push_back(id);
    }
  }
  for (auto& [id, record] : records_) {
    if (record.entry.orphan()) SetLifetimes(record);
  }
  for (const std::string& id : strays) {
    // If it cannot be deleted now, it is a stray again the next time.
    End(id, TokenEnd::kParentRevoked, &nobody).IgnoreError();
  }
}

std::string TokenStore::IdOf(std::string_view secret) const {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned int size = 0;
  HMAC(EVP_sha256(), key_.data(), static_cast<int>(key_.size()),
       reinterpret_cast<const unsigned char*>(secret.data()), secret.size(), digest.data(), &size);
  return absl::BytesToHexString({reinterpret_cast<const char*>(digest.data()), size});
}

absl::Status TokenStore::Write(const TokenEntry& entry) {
  return storage_->Put(StorageKey(entry.id), TokenToBytes(entry));
}

TokenStore::Record& TokenStore::Insert(TokenEntry entry) {
  ids_by_accessor_[entry.accessor] = entry.id;
  if (entry.expires != absl::InfiniteFuture()) expiries_.emplace(entry.expires, entry.id);
  Record record{.entry = std::move(entry)};
  record.life = std::make_shared<TokenLife>(record.entry.expires);
  const std::string id = record.entry.id;
  return records_.insert_or_assign(id, std::move(record)).first->second;
}

TokenStore::Record* TokenStore::Lasting(std::string_view id) {
  const auto it = records_.find(id);
  if (it == records_.end() || !it->second.life->Lasts(clock_->Now())) return nullptr;
  return &it->second;
}

// A token ends with its parent at the latest.
void TokenStore::SetLifetimes(Record& top) {
  std::vector<Record*> waiting = {&top};
  while (!waiting.empty()) {
    Record& record = *waiting.back();
    waiting.pop_back();
    const auto parent = records_.find(record.entry.parent);
    record.life->SetExpiry(parent == records_.end()
                               ? record.entry.expires
                               : std::min(record.entry.expires, parent->second.life->expires()));
    for (const std::string& child : record.children) waiting.push_back(&records_.at(child));
  }
}

absl::StatusOr<LiveToken> TokenStore::CreateRoot(std::string_view secret) {
  PlannedToken planned{.secret = std::string(secret)};
  planned.entry.policies = {"root"};
  planned.entry.display_name = "token";
  planned.entry.path = "auth/token/create";
  return Create(&planned);
}

absl::StatusOr<LiveToken> TokenStore::Create(PlannedToken* planned) {
  ExpireDue();
  TokenEntry& entry = planned->entry;
  if (planned->secret.empty()) planned->secret = Concat({"hvs.", RandomBase62(kSecretLength)});
  entry.id = IdOf(planned->secret);
  entry.accessor = RandomBase62(kAccessorLength);
  entry.created = clock_->Now();
  entry.expires = entry.creation_ttl > absl::ZeroDuration() ? entry.created + entry.creation_ttl
                                                            : absl::InfiniteFuture();
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
  return LiveToken{record.entry, record.life};
}

std::optional<LiveToken> TokenStore::Find(std::string_view secret) {
  const std::string id = IdOf(secret);
  ExpireDue();
  MutexLock lock(&mutex_);
  const Record* const record = Lasting(id);
  if (record == nullptr) return std::nullopt;
  return LiveToken{record->entry, record->life};
}

std::optional<LiveToken> TokenStore::FindByAccessor(std::string_view accessor) {
  ExpireDue();
  MutexLock lock(&mutex_);
  const auto id = ids_by_accessor_.find(accessor);
  const Record* const record = id == ids_by_accessor_.end() ? nullptr : Lasting(id->second);
  if (record == nullptr) return std::nullopt;
  return LiveToken{record->entry, record->life};
}

absl::StatusOr<std::optional<LiveToken>> TokenStore::Use(std::string_view secret) {
  const std::string id = IdOf(secret);
  ExpireDue();
  Farewells farewells;
  std::optional<LiveToken> token;
  {
    MutexLock lock(&mutex_);
    Record* const record = Lasting(id);
    if (record == nullptr) return std::nullopt;
    token = LiveToken{record->entry, record->life};
    if (record->entry.num_uses == 1) {
      absl::Status status = End(id, TokenEnd::kUsedUp, &farewells);
      if (!status.ok()) return status;
    } else if (record->entry.num_uses > 1) {
      TokenEntry used = record->entry;
      --used.num_uses;
      if (absl::Status status = Write(used); !status.ok()) return status;
      record->entry = std::move(used);
    }
  }
  Say(farewells);
  return token;
}

std::vector<std::string> TokenStore::Accessors() {
  ExpireDue();
  std::vector<std::string> accessors;
  MutexLock lock(&mutex_);
  for (const auto& [accessor, id] : ids_by_accessor_) accessors.push_back(accessor);
  return accessors;
}

absl::StatusOr<LiveToken> TokenStore::Renew(const std::string& id, absl::Duration increment) {
  ExpireDue();
  const absl::Time now = clock_->Now();
  MutexLock lock(&mutex_);
  Record* const record = Lasting(id);
  if (record == nullptr) return absl::InvalidArgumentError("token not found");
  const absl::StatusOr<absl::Duration> ttl = PlanRenewal(record->entry, increment, now);
  if (!ttl.ok()) return ttl.status();
  TokenEntry renewed = record->entry;
  renewed.expires = now + *ttl;
  renewed.last_renewal = now;
  if (absl::Status status = Write(renewed); !status.ok()) return status;
  expiries_.erase({record->entry.expires, id});
  expiries_.emplace(renewed.expires, id);
  record->entry = std::move(renewed);
  SetLifetimes(*record);
  return LiveToken{record->entry, record->life};
}

absl::Status TokenStore::Revoke(const std::string& id) {
  Farewells farewells;
  absl::Status status;
  {
    MutexLock lock(&mutex_);
    status = End(id, TokenEnd::kRevoked, &farewells);
  }
  Say(farewells);
  return status;
}

absl::Status TokenStore::RevokeOrphan(const std::string& id) {
  Farewells farewells;
  {
    MutexLock lock(&mutex_);
    const auto it = records_.find(id);
    if (it == records_.end()) return absl::OkStatus();
    // The children first: one that still named a parent that is gone would be taken for revoked.
    for (const std::string& child_id : std::set<std::string>(it->second.children)) {
      Record& child = records_.at(child_id);
      TokenEntry orphan = child.entry;
      orphan.parent.clear();
      if (absl::Status status = Write(orphan); !status.ok()) return status;
      child.entry = std::move(orphan);
      it->second.children.erase(child_id);
      SetLifetimes(child);
    }
    absl::Status status = End(id, TokenEnd::kRevoked, &farewells);
    if (!status.ok()) return status;
  }
  Say(farewells);
  return absl::OkStatus();
}

absl::Status TokenStore::End(const std::string& id, TokenEnd end, Farewells* farewells) {
  const auto top = records_.find(id);
  if (top == records_.end()) return absl::OkStatus();
  if (absl::Status status = storage_->Delete(StorageKey(id)); !status.ok()) return status;
  if (const auto parent = records_.find(top->second.entry.parent); parent != records_.end()) {
    parent->second.children.erase(id);
  }
  std::vector<std::string> waiting(top->second.children.begin(), top->second.children.end());
  Forget(top, end, farewells);
  while (!waiting.empty()) {
    const auto it = records_.find(waiting.back());
    waiting.pop_back();
    waiting.insert(waiting.end(), it->second.children.begin(), it->second.children.end());
    // One that stays on storage is a stray: the next start drops it.
    storage_->Delete(StorageKey(it->first)).IgnoreError();
    Forget(it, TokenEnd::kParentRevoked, farewells);
  }
  return absl::OkStatus();
}

void TokenStore::Forget(Records::iterator it, TokenEnd end, Farewells* farewells) {
  Record& record = it->second;
  record.life->End();
  for (const std::weak_ptr<Ended>& weak : record.watchers) {
    if (std::shared_ptr<Ended> ended = weak.lock()) farewells->emplace_back(std::move(ended), end);
  }
  ids_by_accessor_.erase(record.entry.accessor);
  expiries_.erase({record.entry.expires, record.entry.id});
  records_.erase(it);
}

void TokenStore::Say(const Farewells& farewells) {
  for (const auto& [ended, end] : farewells) (*ended)(end);
}

absl::Time TokenStore::ExpireDue() {
  Farewells farewells;
  absl::Time next = absl::InfiniteFuture();
  {
    MutexLock lock(&mutex_);
    Expire(&farewells);
    if (!expiries_.empty()) next = expiries_.begin()->first;
  }
  Say(farewells);
  return next;
}

void TokenStore::Expire(Farewells* farewells) {
  const absl::Time now = clock_->Now();
  while (!expiries_.empty() && expiries_.begin()->first <= now) {
    const std::string id = expiries_.begin()->second;
    // What storage does not let go of now is tried again; by its life it has ended in any case.
    if (!End(id, TokenEnd::kExpired, farewells).ok()) return;
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
