#pragma once

#include <memory>
#include <string>

#include "absl/functional/any_invocable.h"
#include "server/mounts/engine.h"

namespace belfry::mounts {

// Has nothing, and does nothing. Thread-safe.
class StubEngine : public Engine {
 public:
  void Handle(Request, absl::AnyInvocable<void(absl::StatusOr<Reply>)> done) override {
    done(Reply{});
  }
  void CheckExistence(Request, absl::AnyInvocable<void(absl::StatusOr<Existence>)> done) override {
    done(Existence::kUnknown);
  }
  std::string RunningVersion() const override { return ""; }
  std::string RunningSha256() const override { return ""; }
  std::shared_ptr<const SpecialPaths> Special() const override {
    return std::make_shared<SpecialPaths>();
  }
  absl::Status Restart(const MountEntry&) override { return absl::OkStatus(); }
};

}  // namespace belfry::mounts
