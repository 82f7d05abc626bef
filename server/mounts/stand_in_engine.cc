#include "server/mounts/stand_in_engine.h"

#include <utility>

namespace belfry::mounts {

StandInEngine::StandInEngine(EngineFactory* factory, storage::Storage* view, absl::Status reason)
    : factory_(factory), view_(view), reason_(std::move(reason)) {}

void StandInEngine::Handle(Request request, absl::AnyInvocable<void(absl::StatusOr<Reply>)> done) {
  if (Engine* const engine = engine_) return engine->Handle(std::move(request), std::move(done));
  done(reason_);
}

void StandInEngine::Write(Request request, absl::AnyInvocable<void(absl::StatusOr<Reply>)> done) {
  if (Engine* const engine = engine_) return engine->Write(std::move(request), std::move(done));
  done(reason_);
}

void StandInEngine::CheckExistence(Request request,
                                   absl::AnyInvocable<void(absl::StatusOr<Existence>)> done) {
  if (Engine* const engine = engine_)
    return engine->CheckExistence(std::move(request), std::move(done));
  done(reason_);
}

std::string StandInEngine::RunningVersion() const {
  const Engine* const engine = engine_;
  return engine == nullptr ? "" : engine->RunningVersion();
}

std::string StandInEngine::RunningSha256() const {
  const Engine* const engine = engine_;
  return engine == nullptr ? "" : engine->RunningSha256();
}

std::shared_ptr<const SpecialPaths> StandInEngine::Special() const {
  if (const Engine* const engine = engine_) return engine->Special();
  return std::make_shared<const SpecialPaths>();
}

absl::Status StandInEngine::Restart(const MountEntry& entry) {
  if (Engine* const engine = engine_) return engine->Restart(entry);
  absl::StatusOr<std::unique_ptr<Engine>> started = factory_->Create(entry, view_);
  if (!started.ok()) return started.status();
  owned_ = *std::move(started);
  engine_ = owned_.get();
  return absl::OkStatus();
}

void StandInEngine::KillIfSilent() {
  if (Engine* const engine = engine_) engine->KillIfSilent();
}

void StandInEngine::NoteDisabling(bool disabling) {
  if (Engine* const engine = engine_) engine->NoteDisabling(disabling);
}

}  // namespace belfry::mounts
