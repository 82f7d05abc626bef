#pragma once

#include <atomic>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/mutex.h"
#include "base/text.h"
#include "server/mounts/engine_factory.h"
#include "server/mounts/lease_manager.h"
#include "server/mounts/testing.h"
#include "server/storage/storage.h"

namespace belfry::mounts {

// What the engines of a test were asked to do, and whether they can.
struct Restarts {
  std::vector<MountEntry> entries;
  std::vector<std::string> retired;
  std::atomic<int> looked_at = 0;
  absl::Status result;
};

class FakeEngine final : public StubEngine {
 public:
  FakeEngine(storage::Storage* view, Restarts* restarts) : view_(view), restarts_(restarts) {}
  // A last write on the way out, as a real engine's clean-up may make.
  ~FakeEngine() override { (void)storage::Put(*view_, "left/behind", "v"); }
  void KillIfSilent() override { ++restarts_->looked_at; }
  absl::Status Restart(const MountEntry& entry) override {
    restarts_->entries.push_back(entry);
    return restarts_->result;
  }

 private:
  storage::Storage* const view_;
  Restarts* const restarts_;
};

class FakeFactory final : public EngineFactory {
 public:
  absl::StatusOr<std::unique_ptr<Engine>> Create(const MountEntry& entry,
                                                 storage::Storage* view) override {
    if (entry.type == "slow") {
      before_slow.wait();
      return std::make_unique<FakeEngine>(view, &restarts);
    }
    MutexLock lock(&mutex);
    started.push_back(entry);
    if (entry.type == missing)
      return absl::NotFoundError(Concat({"plugin not found in the catalog: ", missing}));
    (void)storage::Put(*view, "a", "v");
    if (entry.type == "half") return absl::UnavailableError("it stopped half way");
    return std::make_unique<FakeEngine>(view, &restarts);
  }
  void RetireProcesses(std::string_view type) override { restarts.retired.emplace_back(type); }
  Restarts restarts;
  std::string missing = "nosuch";
  Mutex mutex;  // Several may start at the same time.
  std::vector<MountEntry> started;
  std::future<void> before_slow;
};

// Revokes the leases of a mount, or says that it could not, and does nothing else.
class FakeLeases final : public LeaseManager {
 public:
  absl::Status revoked;
  std::function<void()> before_revoked = [] {};

  absl::Status Start() override { return absl::OkStatus(); }
  void Stop() override {}
  void Register(std::shared_ptr<const Mount>, const Request&, const Response&,
                Granted granted) override {
    granted(absl::UnimplementedError("fake"));
  }
  std::optional<LeaseInfo> LookUp(std::string_view) const override { return std::nullopt; }
  std::vector<std::string> List(std::string_view) const override { return {}; }
  void Renew(std::string_view, absl::Duration, Renewed renewed) override {
    renewed(absl::UnimplementedError("fake"));
  }
  void Revoke(LeaseScope, RevokeMode, Done done) override { done(absl::OkStatus()); }
  void RevokeStrays(absl::FunctionRef<bool(std::string_view)>) override {}
  absl::Status RevokeAllOf(const Mount&) override {
    before_revoked();
    return revoked;
  }
};

}  // namespace belfry::mounts
