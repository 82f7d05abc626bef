#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "server/mounts/engine.h"
#include "server/mounts/engine_factory.h"

namespace belfry::mounts {

// In place of an engine that did not start with the host: answers every request with Unavailable
// and the reason, until a Restart has started one, to which it then hands everything. So a plugin
// that is missing or broken keeps neither the host nor the other mounts down. Thread-safe.
class StandInEngine final : public Engine {
 public:
  // `factory` and `view` must outlive it.
  StandInEngine(EngineFactory* factory, storage::Storage* view, absl::Status reason);

  void Handle(Request request, absl::AnyInvocable<void(absl::StatusOr<Reply>)> done) override;
  void Write(Request request, absl::AnyInvocable<void(absl::StatusOr<Reply>)> done) override;
  void CheckExistence(Request request,
                      absl::AnyInvocable<void(absl::StatusOr<Existence>)> done) override;
  std::string RunningVersion() const override;
  std::string RunningSha256() const override;
  std::shared_ptr<const SpecialPaths> Special() const override;
  absl::Status Restart(const MountEntry& entry) override;
  void KillIfSilent() override;
  void NoteDisabling(bool disabling) override;

 private:
  EngineFactory* const factory_;
  storage::Storage* const view_;
  const absl::Status reason_;
  std::unique_ptr<Engine> owned_;
  // owned_, once it is there.
  std::atomic<Engine*> engine_ = nullptr;
};

}  // namespace belfry::mounts
