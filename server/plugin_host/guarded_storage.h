#pragma once

#include <atomic>
#include <cstdint>
#include <utility>

#include "base/wait_group.h"
#include "server/storage/storage.h"

namespace belfry::plugin_host {

// A mount's storage and whether its plugin may write now: not while it is set up, and not once
// another instance has taken over, which must not find anything changed by this one. Thread-safe.
class GuardedStorage {
 public:
  // The permission to write, which travels with the batch; false: there is none. ForbidWrites waits
  // for its end.
  class Permit {
   public:
    explicit Permit(const GuardedStorage* guarded) : guarded_(guarded) {
      guarded_->writes_.Add();
      allowed_ = guarded_->writable_;
      if (allowed_ && guarded_->count_ != nullptr) ++*guarded_->count_;
    }
    Permit(Permit&& other) noexcept
        : guarded_(std::exchange(other.guarded_, nullptr)), allowed_(other.allowed_) {}
    Permit& operator=(Permit&&) = delete;
    ~Permit() { End(); }

    explicit operator bool() const { return allowed_; }
    // The write is over: before the plugin is told so, since the storage may go with its last call.
    void End() {
      if (guarded_ != nullptr) std::exchange(guarded_, nullptr)->writes_.Done();
    }

   private:
    const GuardedStorage* guarded_;
    bool allowed_ = false;
  };

  // nullptr while a plugin is registered: calls fail. `count`, if not null, grows with each write
  // that is allowed, before it is done. Both must outlive this.
  explicit GuardedStorage(storage::Storage* storage, std::atomic<std::uint64_t>* count = nullptr)
      : storage_(storage), count_(count) {}
  // A write that is under way holds on to this.
  ~GuardedStorage() { ForbidWrites(); }
  GuardedStorage(const GuardedStorage&) = delete;
  GuardedStorage& operator=(const GuardedStorage&) = delete;

  storage::Storage* storage() const { return storage_; }
  void AllowWrites() { writable_ = true; }
  // Returns when no write is under way.
  void ForbidWrites() {
    writable_ = false;
    writes_.Wait();
  }

 private:
  storage::Storage* const storage_;
  std::atomic<std::uint64_t>* const count_;
  std::atomic<bool> writable_ = false;
  mutable WaitGroup writes_;
};

}  // namespace belfry::plugin_host
