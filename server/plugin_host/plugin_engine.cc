#include "server/plugin_host/plugin_engine.h"

#include <utility>

#include "base/text.h"
#include "server/plugin_host/operator_status.h"
#include "server/plugin_host/reply_conversion.h"

namespace belfry::plugin_host {
namespace {

// Tokens take turns, and of those who have none, each address.
RequestTurns::Claim ClaimOf(const mounts::Request& request) {
  const bool has_token = !request.client_token_accessor.empty();
  return {.owner = has_token ? request.client_token_accessor : request.remote_address,
          .path = request.path,
          .bytes_sent = request.data.size(),
          .deadline = request.deadline};
}

void NoteAnswer(const RequestTurns::Turn& turn, const absl::StatusOr<mounts::Reply>& reply) {
  if (!reply.ok()) return;
  turn.NoteAnswer(reply->response ? reply->response->data.size() : 0, !reply->error);
}

void NoteAnswer(const RequestTurns::Turn& /*turn*/,
                const absl::StatusOr<mounts::Existence>& /*existence*/) {}

}  // namespace

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
    std::shared_ptr<Executor> executor, std::shared_ptr<LargePaths> large_paths,
    std::shared_ptr<StoredRequests> stored_requests, Metrics* metrics, const Limits& limits,
    const Logger& logger) {
  absl::StatusOr<PluginProgram> program = starter->Resolve(entry);
  if (!program.ok()) return program.status();
  LaunchSpec spec{.program = *std::move(program), .entry = entry};
  absl::StatusOr<std::unique_ptr<Instance>> first = starter->StartRequested(spec);
  if (!first.ok()) return ForOperators(first.status());
  // The constructor is private.
  return std::unique_ptr<PluginEngine>(new PluginEngine(
      std::move(starter), std::move(spec), *std::move(first), std::move(executor),
      std::move(large_paths), std::move(stored_requests), metrics, limits, logger));
}

PluginEngine::PluginEngine(std::unique_ptr<InstanceStarter> starter, LaunchSpec spec,
                           std::unique_ptr<Instance> first, std::shared_ptr<Executor> executor,
                           std::shared_ptr<LargePaths> large_paths,
                           std::shared_ptr<StoredRequests> stored_requests, Metrics* metrics,
                           const Limits& limits, const Logger& logger)
    : starter_(std::move(starter)),
      stored_requests_(std::move(stored_requests)),
      turns_(spec.entry.path, std::move(large_paths), limits),
      slot_(starter_.get(), std::move(spec), std::move(first), std::move(executor), metrics, limits,
            logger) {}

template <typename Result>
void PluginEngine::InTurn(mounts::Request request, Done<Result> done, Call<Result> call) {
  RequestTurns::Claim claim = ClaimOf(request);
  PluginRequest sent{.deadline = request.deadline,
                     .still_allowed = std::move(request.still_allowed),
                     .stored_requests = stored_requests_};
  sent.message = ToProto(std::move(request));
  turns_.Enter(std::move(claim), [this, call, sent = std::move(sent), done = std::move(done)](
                                     absl::StatusOr<RequestTurns::Turn> turn) mutable {
    if (!turn.ok()) return done(std::move(turn).status());
    call(&slot_, std::move(sent),
         [turn = *std::move(turn), done = std::move(done)](absl::StatusOr<Result> result) mutable {
           NoteAnswer(turn, result);
           done(std::move(result));
         });
  });
}

void PluginEngine::Handle(mounts::Request request, Done<mounts::Reply> done) {
  InTurn(std::move(request), std::move(done), CallHandleRequest);
}

void PluginEngine::Write(mounts::Request request, Done<mounts::Reply> done) {
  InTurn(std::move(request), std::move(done), CallWrite);
}

void PluginEngine::CheckExistence(mounts::Request request, Done<mounts::Existence> done) {
  InTurn(std::move(request), std::move(done), CallExistenceCheck);
}

std::string PluginEngine::RunningVersion() const {
  const InstanceSlot::Pin pin = slot_.Current();
  return PluginInstance::Of(*pin).version();
}

std::string PluginEngine::RunningSha256() const {
  const InstanceSlot::Pin pin = slot_.Current();
  return PluginInstance::Of(*pin).sha256();
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
  turns_.Disable(disabling);
  slot_.NoteDisabling(disabling);
}

}  // namespace belfry::plugin_host
