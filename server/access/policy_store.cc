#include "server/access/policy_store.h"

#include <algorithm>
#include <future>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "base/text.h"

namespace belfry::access {
namespace {

// What a token may do with itself. (vault-api-and-events 8.6)
constexpr std::string_view kDefaultPolicy = R"(# Every token has this unless it was made without.

# Itself.
path "auth/token/lookup-self" { capabilities = ["read"] }
path "auth/token/renew-self" { capabilities = ["update"] }
path "auth/token/revoke-self" { capabilities = ["update"] }
path "sys/capabilities-self" { capabilities = ["update"] }
path "sys/internal/ui/resultant-acl" { capabilities = ["read"] }
path "sys/events/explain/*" { capabilities = ["read"] }

# What it was leased.
path "sys/renew" { capabilities = ["update"] }
path "sys/leases/renew" { capabilities = ["update"] }
path "sys/leases/lookup" { capabilities = ["update"] }

# Its own drawer, and what was wrapped for it.
path "cubbyhole/*" { capabilities = ["create", "read", "update", "delete", "list"] }
path "sys/wrapping/wrap" { capabilities = ["update"] }
path "sys/wrapping/lookup" { capabilities = ["update"] }
path "sys/wrapping/unwrap" { capabilities = ["update"] }

path "sys/tools/hash" { capabilities = ["update"] }
path "sys/tools/hash/*" { capabilities = ["update"] }
)";

bool IsImmutable(std::string_view name) {
  return name == "root" || name == "response-wrapping" || name == "control-group";
}

absl::Status Invalid(std::initializer_list<std::string_view> parts) {
  return absl::InvalidArgumentError(Concat(parts));
}

bool IsBase64(std::string_view text) {
  const std::string_view body = text.substr(0, text.find_last_not_of('=') + 1);
  return !text.empty() && text.size() % 4 == 0 && text.size() - body.size() <= 2 &&
         body.find_first_not_of(
             "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/") ==
             std::string_view::npos;
}

std::string Decoded(std::string_view text) {
  std::string decoded;
  if (IsBase64(text) && absl::Base64Unescape(ToAbsl(text), &decoded)) return decoded;
  return std::string(text);
}

}  // namespace

std::string PolicyName(std::string_view name) {
  return absl::AsciiStrToLower(absl::StripAsciiWhitespace(ToAbsl(name)));
}

std::vector<std::string> PolicyNames(const std::vector<std::string>& names) {
  std::set<std::string> clean;
  for (const std::string& name : names) clean.insert(PolicyName(name));
  clean.erase("");
  return {clean.begin(), clean.end()};
}

std::vector<std::string> CleanPolicies(const std::vector<std::string>& names) {
  std::vector<std::string> clean = PolicyNames(names);
  if (std::binary_search(clean.begin(), clean.end(), "root")) return {"root"};
  return clean;
}

PolicyStore::PolicyStore(storage::Storage* storage, const Limits& limits)
    : storage_(storage), acls_(limits.max_rule_cache_bytes) {}

absl::StatusOr<std::unique_ptr<PolicyStore>> PolicyStore::Open(storage::Storage* storage,
                                                               const Limits& limits) {
  std::unique_ptr<PolicyStore> store(new PolicyStore(storage, limits));
  if (absl::Status status = store->Load(); !status.ok()) return status;
  if (store->Find("default") == nullptr) {
    if (absl::Status status = store->Put("default", kDefaultPolicy); !status.ok()) return status;
  }
  return store;
}

absl::Status PolicyStore::Load() {
  std::vector<storage::Entry> entries;
  const absl::Status read =
      storage::ForEach(*storage_, "", [&entries](const storage::Entry& entry) {
        entries.push_back(entry);
        return absl::OkStatus();
      });
  if (!read.ok()) return read;
  MutexLock lock(&mutex_);
  policies_["root"] = std::make_shared<const Policy>(Policy{.name = "root"});
  for (const storage::Entry& entry : entries) {
    const std::string name = absl::HexStringToBytes(entry.key);
    absl::StatusOr<Policy> policy = ParsePolicy(name, entry.value);
    if (!policy.ok()) {
      return absl::FailedPreconditionError(Concat(
          {"the stored policy \"", name, "\" cannot be read: ", ToStd(policy.status().message())}));
    }
    policies_[name] = std::make_shared<const Policy>(*std::move(policy));
  }
  return absl::OkStatus();
}

std::vector<std::string> PolicyStore::Names() const {
  std::vector<std::string> names;
  MutexLock lock(&mutex_);
  for (const auto& [name, policy] : policies_) names.push_back(name);
  return names;
}

std::shared_ptr<const Policy> PolicyStore::Find(std::string_view name) const {
  const std::string key = PolicyName(name);
  MutexLock lock(&mutex_);
  const auto it = policies_.find(key);
  return it == policies_.end() ? nullptr : it->second;
}

absl::Status PolicyStore::Put(std::string_view name, std::string_view text) {
  const std::string key = PolicyName(name);
  if (key.empty()) return Invalid({"policy name must be given"});
  if (IsImmutable(key)) return Invalid({"cannot update \"", key, "\" policy"});
  if (text.empty()) return Invalid({"'policy' parameter not supplied or empty"});
  absl::StatusOr<Policy> policy = ParsePolicy(key, Decoded(text));
  if (!policy.ok()) return policy.status();
  return Make({.name = key, .policy = std::make_shared<const Policy>(*std::move(policy))});
}

absl::Status PolicyStore::Delete(std::string_view name) {
  const std::string key = PolicyName(name);
  if (IsImmutable(key)) return Invalid({"cannot delete \"", key, "\" policy"});
  if (key == "default") return Invalid({"cannot delete default policy"});
  return Make({.name = key, .policy = nullptr});
}

absl::Status PolicyStore::Make(Change change) {
  storage::WriteBatch batch;
  // In hex: a name may hold what a storage key must not.
  std::string key = absl::BytesToHexString(change.name);
  if (change.policy == nullptr) {
    batch.Delete(std::move(key));
  } else {
    batch.Put(std::move(key), change.policy->text);
  }
  // Shared: the thread that sets the value may still be in set_value when this one has the value.
  const auto ended = std::make_shared<std::promise<absl::Status>>();
  std::future<absl::Status> committed = ended->get_future();
  // Its end is called in the order of the commits.
  storage_->Commit(std::move(batch),
                   [this, change = std::move(change), ended](const absl::Status& status) mutable {
                     if (status.ok()) {
                       MutexLock lock(&mutex_);
                       committed_.push_back(std::move(change));
                     }
                     ended->set_value(status);
                   });
  absl::Status status = committed.get();
  if (status.ok()) ApplyCommitted();
  return status;
}

void PolicyStore::ApplyCommitted() {
  // Another may have taken the change of this caller: then it is in force once that lets go.
  MutexLock applying(&applying_);
  for (;;) {
    Change change;
    {
      MutexLock lock(&mutex_);
      if (committed_.empty()) return;
      change = std::move(committed_.front());
      committed_.pop_front();
    }
    Apply(std::move(change));
  }
}

void PolicyStore::Apply(Change change) {
  std::vector<CachedAcl> replacements = RulesWith(change);
  // Destroyed after the lock.
  std::vector<CachedAcl> outdated;
  std::shared_ptr<const Policy> old;
  {
    MutexLock lock(&mutex_);
    outdated = acls_.TakeIf([&change](const CachedAcl& cached) {
      return std::find(cached.names.begin(), cached.names.end(), change.name) != cached.names.end();
    });
    old = Set(change, &policies_);
    for (CachedAcl& replacement : replacements) Keep(std::move(replacement));
    version_.fetch_add(1, std::memory_order_release);
  }
  // Kept until the next change, as much again as max_rule_cache_bytes at most: with 16 sets of
  // 2,000 rules, publishers that freed them held up a write for 33 ms instead of 10. (./dev bench
  // hostile)
  replaced_.swap(outdated);
  NotifyWatchers();
}

std::shared_ptr<const Policy> PolicyStore::Set(const Change& change, Policies* policies) {
  std::shared_ptr<const Policy> old = std::exchange((*policies)[change.name], change.policy);
  if (change.policy == nullptr) policies->erase(change.name);
  return old;
}

// Of what is kept, what the policy is part of, put together as the change has it. Nobody waits for
// this but who changes policies.
std::vector<PolicyStore::CachedAcl> PolicyStore::RulesWith(const Change& change) const {
  std::vector<CachedAcl> concerned;
  Policies policies;
  {
    MutexLock lock(&mutex_);
    policies = policies_;
    acls_.ForEach([&](const CachedAcl& cached) {
      if (std::find(cached.names.begin(), cached.names.end(), change.name) != cached.names.end())
        concerned.push_back({.names = cached.names, .token_id = cached.token_id});
    });
  }
  Set(change, &policies);
  for (CachedAcl& rules : concerned) {
    rules.acl = std::make_shared<const Acl>(Found(policies, rules.names));
  }
  return concerned;
}

std::string PolicyStore::KeyOf(const std::vector<std::string>& names) const {
  std::string key;
  for (const std::string& name : names) {
    const auto it = policies_.find(name);
    if (it == policies_.end()) continue;
    // A policy keeps its place until it changes, and then no key that has it is used any more.
    const Policy* const policy = it->second.get();
    key.append(reinterpret_cast<const char*>(&policy), sizeof policy);
  }
  return key;
}

std::shared_ptr<const Acl> PolicyStore::AclOf(const std::vector<std::string>& names,
                                              std::string_view token_id) const {
  std::vector<std::shared_ptr<const Policy>> policies;
  std::string key;
  {
    MutexLock lock(&mutex_);
    key = KeyOf(names);
    if (CachedAcl* const cached = acls_.Find(key)) {
      if (cached->token_id != token_id) cached->token_id = token_id;
      return cached->acl;
    }
    if (auto held = HeldAcl(key)) {
      Keep({.names = names, .acl = held, .token_id = std::string(token_id)});
      return held;
    }
    policies = Found(policies_, names);
  }
  // Nobody who finds what he asks for waits for this.
  auto acl = std::make_shared<const Acl>(policies);
  MutexLock lock(&mutex_);
  // The same policies are there, since they are held here: no other has taken the place of one.
  if (key == KeyOf(names)) Keep({.names = names, .acl = acl, .token_id = std::string(token_id)});
  return acl;
}

std::shared_ptr<const Acl> PolicyStore::HeldAcl(const std::string& key) const {
  const auto held = held_.find(key);
  return held == held_.end() ? nullptr : held->second.lock();
}

std::vector<std::shared_ptr<const Policy>> PolicyStore::Found(
    const Policies& policies, const std::vector<std::string>& names) {
  std::vector<std::shared_ptr<const Policy>> found;
  for (const std::string& name : names) {
    const auto it = policies.find(name);
    if (it != policies.end()) found.push_back(it->second);
  }
  return found;
}

void PolicyStore::Keep(CachedAcl cached) const {
  std::size_t bytes = cached.acl->bytes() + cached.token_id.size();
  for (const std::string& name : cached.names) bytes += sizeof name + name.size();
  const std::string key = KeyOf(cached.names);
  if (held_.size() >= tidy_held_at_) {
    std::erase_if(held_, [](const auto& other) { return other.second.expired(); });
    tidy_held_at_ = std::max(tidy_held_at_, 2 * held_.size());
  }
  held_[key] = cached.acl;
  acls_.Put(key, std::move(cached), bytes);
}

bool PolicyStore::HasAclOf(const std::vector<std::string>& names) const {
  MutexLock lock(&mutex_);
  const std::string key = KeyOf(names);
  return acls_.Find(key) != nullptr || HeldAcl(key) != nullptr;
}

void PolicyStore::OnTokenEnd(const std::vector<std::string>& names, std::string_view token_id) {
  MutexLock lock(&mutex_);
  const std::string key = KeyOf(names);
  const CachedAcl* const cached = acls_.Find(key);
  if (cached != nullptr && cached->token_id == token_id) acls_.Erase(key);
}

std::size_t PolicyStore::acl_bytes() const {
  MutexLock lock(&mutex_);
  return acls_.bytes();
}

std::shared_ptr<const void> PolicyStore::Watch(std::function<void()> changed) {
  auto watcher = std::make_shared<std::function<void()>>(std::move(changed));
  MutexLock lock(&watchers_mutex_);
  if (watchers_.size() >= tidy_at_) {
    std::erase_if(watchers_, [](const auto& other) { return other.expired(); });
    tidy_at_ = std::max(tidy_at_, 2 * watchers_.size());
  }
  watchers_.push_back(watcher);
  return watcher;
}

void PolicyStore::NotifyWatchers() {
  // Not told under the lock: whoever begins to watch meanwhile need not wait.
  std::vector<std::shared_ptr<std::function<void()>>> watchers;
  {
    MutexLock lock(&watchers_mutex_);
    for (const auto& weak : watchers_) {
      if (auto changed = weak.lock()) watchers.push_back(std::move(changed));
    }
  }
  for (const auto& changed : watchers) (*changed)();
}

}  // namespace belfry::access
