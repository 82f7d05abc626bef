#include "server/mounts/router.h"

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "base/wait_group.h"

namespace belfry::mounts {
namespace {

bool Overlap(std::string_view a, std::string_view b) {
  return a.starts_with(b) || b.starts_with(a);
}

}  // namespace

// A mount with one entry. Those before and after a change have the same users.
struct MountRouter::Served {
  Mount mount;
  std::shared_ptr<WaitGroup> users;
};

const Mount& MountRouter::Removed::mount() const {
  return served_->mount;
}

bool MountRouter::Removed::AwaitUsers(absl::Duration limit) const {
  return served_->users->Wait(limit);
}

std::optional<Route> MountRouter::Find(std::string_view path) const {
  // From the whole path to its first segment: the longest mount wins.
  const std::string with_slash = path.ends_with('/') ? std::string(path) : Concat({path, "/"});
  MutexLock lock(&mutex_);
  for (std::size_t end = with_slash.size(); end != 0; end = with_slash.rfind('/', end - 2) + 1) {
    const auto it = served_.find(std::string_view(with_slash).substr(0, end));
    if (it != served_.end())
      return Route{Use(it->second), std::string(path.substr(std::min(end, path.size())))};
    if (end < 2) break;
  }
  return std::nullopt;
}

std::shared_ptr<const Mount> MountRouter::At(std::string_view path) const {
  MutexLock lock(&mutex_);
  const auto it = served_.find(path);
  return it == served_.end() ? nullptr : Use(it->second);
}

bool MountRouter::IsMoving(std::string_view path) const {
  const std::string with_slash = path.ends_with('/') ? std::string(path) : Concat({path, "/"});
  MutexLock lock(&mutex_);
  return std::ranges::any_of(
      moving_, [&with_slash](const std::string& mount) { return with_slash.starts_with(mount); });
}

bool MountRouter::IsReserved(std::string_view path) const {
  MutexLock lock(&mutex_);
  return reserved_.contains(path);
}

std::vector<std::shared_ptr<const Mount>> MountRouter::List() const {
  std::vector<std::shared_ptr<const Mount>> mounts;
  MutexLock lock(&mutex_);
  for (const auto& [path, served] : served_) mounts.push_back(Use(served));
  return mounts;
}

std::optional<std::string> MountRouter::Reserve(const std::string& path) {
  MutexLock lock(&mutex_);
  for (const auto& [other, served] : served_) {
    if (Overlap(path, other)) return other;
  }
  for (const auto& [other, leaving] : reserved_) {
    if (Overlap(path, other)) return other;
  }
  reserved_.emplace(path, nullptr);
  return std::nullopt;
}

void MountRouter::Release(const std::string& path) {
  MutexLock lock(&mutex_);
  reserved_.erase(path);
}

bool MountRouter::Add(MountEntry entry, Engine* engine) {
  auto served = std::make_shared<Served>();
  std::string path = entry.path;
  served->mount = {.entry = std::move(entry), .engine = engine};
  served->users = std::make_shared<WaitGroup>();
  MutexLock lock(&mutex_);
  if (closed_) return false;
  reserved_.erase(path);
  served_.insert_or_assign(std::move(path), std::move(served));
  return true;
}

void MountRouter::Replace(MountEntry entry) {
  MutexLock lock(&mutex_);
  std::shared_ptr<const Served>* const place = PlaceOf(entry);
  if (place == nullptr) return;
  auto served = std::make_shared<Served>();
  served->mount = {.entry = std::move(entry), .engine = (*place)->mount.engine};
  served->users = (*place)->users;
  *place = std::move(served);
}

MountEntry MountRouter::Latest(const Mount& in_use) {
  MutexLock lock(&mutex_);
  const std::shared_ptr<const Served>* const place = PlaceOf(in_use.entry);
  return place == nullptr ? in_use.entry : (*place)->mount.entry;
}

std::optional<MountRouter::Removed> MountRouter::Remove(const std::string& path) {
  MutexLock lock(&mutex_);
  auto found = served_.extract(path);
  if (!found) return std::nullopt;
  Removed removed(found.mapped());
  reserved_.insert(std::move(found));
  return removed;
}

bool MountRouter::PutBack(const std::string& path) {
  MutexLock lock(&mutex_);
  auto removed = reserved_.extract(path);
  if (closed_) return false;
  served_.insert(std::move(removed));
  return true;
}

void MountRouter::BeginMove(const std::string& source, const std::string& target) {
  MutexLock lock(&mutex_);
  moving_.insert({source, target});
}

void MountRouter::EndMove(const std::string& source, const std::string& target) {
  MutexLock lock(&mutex_);
  moving_.erase(source);
  moving_.erase(target);
}

std::vector<MountRouter::Removed> MountRouter::Close() {
  std::vector<Removed> removed;
  MutexLock lock(&mutex_);
  closed_ = true;
  for (auto it = served_.begin(); it != served_.end();) {
    if (it->second->mount.engine == nullptr) {
      ++it;
    } else {
      removed.push_back(Removed(std::move(it->second)));
      it = served_.erase(it);
    }
  }
  return removed;
}

std::shared_ptr<const MountRouter::Served>* MountRouter::PlaceOf(const MountEntry& entry) {
  for (Table* const table : {&served_, &reserved_}) {
    const auto it = table->find(entry.path);
    if (it != table->end() && it->second != nullptr && it->second->mount.entry.uuid == entry.uuid)
      return &it->second;
  }
  return nullptr;
}

// A use of the mount that ends with the last copy of the pointer.
std::shared_ptr<const Mount> MountRouter::Use(const std::shared_ptr<const Served>& served) {
  served->users->Add();
  return {&served->mount, [served](const Mount*) { served->users->Done(); }};
}

}  // namespace belfry::mounts
