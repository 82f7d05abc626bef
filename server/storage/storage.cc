#include "server/storage/storage.h"

#include <map>
#include <utility>

#include "base/mutex.h"
#include "base/text.h"

namespace belfry::storage {
namespace {

// The text is protocol: plugins compare it. (plugin-protocol 5.8)
absl::Status CheckKey(std::string_view key) {
  if (key.find("..") == std::string_view::npos) return absl::OkStatus();
  return absl::InvalidArgumentError("relative paths not supported");
}

class InMemoryStorage final : public Storage {
 public:
  absl::StatusOr<std::optional<std::string>> Get(std::string_view key) const override {
    if (absl::Status status = CheckKey(key); !status.ok()) return status;
    MutexLock lock(&mutex_);
    const auto it = values_.find(key);
    if (it == values_.end()) return std::nullopt;
    return it->second;
  }

  absl::Status Put(std::string_view key, std::string_view value) override {
    if (absl::Status status = CheckKey(key); !status.ok()) return status;
    MutexLock lock(&mutex_);
    values_.insert_or_assign(std::string(key), std::string(value));
    return absl::OkStatus();
  }

  absl::Status Delete(std::string_view key) override {
    if (absl::Status status = CheckKey(key); !status.ok()) return status;
    MutexLock lock(&mutex_);
    if (const auto it = values_.find(key); it != values_.end()) values_.erase(it);
    return absl::OkStatus();
  }

  absl::Status Apply(std::span<const Operation> operations) override {
    for (const Operation& operation : operations) {
      if (absl::Status status = CheckKey(operation.key); !status.ok()) return status;
    }
    MutexLock lock(&mutex_);
    for (const Operation& operation : operations) {
      if (operation.value) {
        values_.insert_or_assign(std::string(operation.key), std::string(*operation.value));
      } else if (const auto it = values_.find(operation.key); it != values_.end()) {
        values_.erase(it);
      }
    }
    return absl::OkStatus();
  }

  absl::StatusOr<std::vector<std::string>> List(std::string_view prefix) const override {
    if (absl::Status status = CheckKey(prefix); !status.ok()) return status;
    std::vector<std::string> names;
    MutexLock lock(&mutex_);
    auto it = values_.lower_bound(prefix);
    while (it != values_.end() && it->first.starts_with(prefix)) {
      const std::string_view rest = std::string_view(it->first).substr(prefix.size());
      const std::size_t slash = rest.find('/');
      if (slash == std::string_view::npos) {
        if (!rest.empty()) names.emplace_back(rest);
        ++it;
      } else {
        names.emplace_back(rest.substr(0, slash + 1));
        // '0' follows '/': skips everything else in the folder.
        it = values_.lower_bound(Concat({prefix, rest.substr(0, slash), "0"}));
      }
    }
    return names;
  }

 private:
  mutable Mutex mutex_;
  std::map<std::string, std::string, std::less<>> values_ ABSL_GUARDED_BY(mutex_);
};

class View final : public Storage {
 public:
  View(Storage* base, std::string prefix) : base_(base), prefix_(std::move(prefix)) {}

  absl::StatusOr<std::optional<std::string>> Get(std::string_view key) const override {
    return base_->Get(Concat({prefix_, key}));
  }
  absl::Status Put(std::string_view key, std::string_view value) override {
    return base_->Put(Concat({prefix_, key}), value);
  }
  absl::Status Delete(std::string_view key) override {
    return base_->Delete(Concat({prefix_, key}));
  }
  absl::Status Apply(std::span<const Operation> operations) override {
    std::vector<std::string> keys;
    keys.reserve(operations.size());
    std::vector<Operation> below;
    below.reserve(operations.size());
    for (const Operation& operation : operations) {
      keys.push_back(Concat({prefix_, operation.key}));
      below.push_back({keys.back(), operation.value});
    }
    return base_->Apply(below);
  }
  absl::StatusOr<std::vector<std::string>> List(std::string_view prefix) const override {
    return base_->List(Concat({prefix_, prefix}));
  }

 private:
  Storage* const base_;
  const std::string prefix_;
};

}  // namespace

std::unique_ptr<Storage> NewInMemoryStorage() {
  return std::make_unique<InMemoryStorage>();
}

std::unique_ptr<Storage> NewView(Storage* base, std::string prefix) {
  return std::make_unique<View>(base, std::move(prefix));
}

absl::Status DeleteAll(Storage& storage, std::string_view prefix) {
  const absl::StatusOr<std::vector<std::string>> names = storage.List(prefix);
  if (!names.ok()) return names.status();
  for (const std::string& name : *names) {
    const std::string key = Concat({prefix, name});
    // A folder's name may be a key as well.
    if (absl::Status status = storage.Delete(key); !status.ok()) return status;
    if (!name.ends_with('/')) continue;
    if (absl::Status status = DeleteAll(storage, key); !status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace belfry::storage
