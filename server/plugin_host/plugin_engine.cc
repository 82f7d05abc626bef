#include "server/plugin_host/plugin_engine.h"

#include <utility>

#include "base/steady_time.h"
#include "base/text.h"
#include "server/plugin_host/operator_status.h"
#include "server/plugin_host/plugin_call.h"
#include "server/plugin_host/reply_conversion.h"

namespace belfry::plugin_host {

absl::StatusOr<std::unique_ptr<Instance>> InstanceStarter::StartRequested(
    const LaunchSpec& spec) const {
  return Start(spec.program, spec.entry, StartReason::kRequested);
}

absl::StatusOr<std::unique_ptr<Instance>> InstanceStarter::StartAfterCrash(
    const LaunchSpec& spec) const {
  return Start(Current(spec.program), spec.entry, StartReason::kCrash);
}

absl::StatusOr<std::unique_ptr<PluginEngine>> PluginEngine::Create(
    std::unique_ptr<InstanceStarter> starter, const mounts::MountEntry& entry,
    std::shared_ptr<Executor> executor, Metrics* metrics, const Limits& limits, Logger logger) {
  absl::StatusOr<PluginProgram> program = starter->Resolve(entry);
  if (!program.ok()) return program.status();
  LaunchSpec spec{.program = *std::move(program), .entry = entry};
  absl::StatusOr<std::unique_ptr<Instance>> first = starter->StartRequested(spec);
  if (!first.ok()) return ForOperators(first.status());
  // The constructor is private.
  return std::unique_ptr<PluginEngine>(new PluginEngine(std::move(starter), std::move(spec),
                                                        *std::move(first), std::move(executor),
                                                        metrics, limits, logger));
}

PluginEngine::PluginEngine(std::unique_ptr<InstanceStarter> starter, LaunchSpec spec,
                           std::unique_ptr<Instance> first, std::shared_ptr<Executor> executor,
                           Metrics* metrics, const Limits& limits, const Logger& logger)
    : starter_(std::move(starter)),
      slot_(starter_.get(), std::move(spec), std::move(first), std::move(executor), metrics, limits,
            logger) {}

void PluginEngine::Handle(mounts::Request request,
                          absl::AnyInvocable<void(absl::StatusOr<mounts::Reply>)> done) {
  const SteadyTime deadline = request.deadline;
  CallHandleRequest(&slot_, ToProto(std::move(request)), deadline, std::move(done));
}

void PluginEngine::Write(mounts::Request request,
                         absl::AnyInvocable<void(absl::StatusOr<mounts::Reply>)> done) {
  const SteadyTime deadline = request.deadline;
  CallWrite(&slot_, ToProto(std::move(request)), deadline, std::move(done));
}

void PluginEngine::CheckExistence(
    mounts::Request request, absl::AnyInvocable<void(absl::StatusOr<mounts::Existence>)> done) {
  const SteadyTime deadline = request.deadline;
  CallExistenceCheck(&slot_, ToProto(std::move(request)), deadline, std::move(done));
}

std::string PluginEngine::RunningVersion() const {
  const InstanceSlot::Pin pin = slot_.Current();
  return PluginInstance::Of(*pin).version();
}

std::string PluginEngine::RunningSha256() const {
  const InstanceSlot::Pin pin = slot_.Current();
  return PluginInstance::Of(*pin).process().sha256();
}

std::shared_ptr<const mounts::SpecialPaths> PluginEngine::Special() const {
  const InstanceSlot::Pin pin = slot_.Current();
  return PluginInstance::Of(*pin).special_paths();
}

absl::Status PluginEngine::Restart(const mounts::MountEntry& entry) {
  absl::StatusOr<PluginProgram> program = starter_->Resolve(entry);
  if (!program.ok()) {
    return absl::Status(program.status().code(),
                        Concat({ToStd(program.status().message()), "; ", slot_.WhatGoesOn()}));
  }
  return slot_.Restart({.program = *std::move(program), .entry = entry});
}

void PluginEngine::KillIfSilent() {
  (void)slot_.Current()->KillIfSilent();
}

void PluginEngine::NoteDisabling(bool disabling) {
  slot_.NoteDisabling(disabling);
}

}  // namespace belfry::plugin_host
