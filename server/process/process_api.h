#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/functional/any_invocable.h"
#include "base/executor.h"
#include "base/limits.h"
#include "base/log_throttle.h"
#include "base/logging.h"
#include "base/scheduler.h"
#include "base/wait_group.h"
#include "server/api/api.h"
#include "server/process/auto_unsealer.h"
#include "server/process/endpoint.h"
#include "server/process/lifecycle.h"
#include "server/process/snapshot_stream.h"

namespace belfry::process {

// The Api that listeners see: answers what concerns the process itself (sys/health, sys/init,
// sys/seal-status, sys/unseal, sys/rekey, sys/generate-root …), without a token and whether the
// server is sealed or not, as Vault does, and hands everything else on. Seals the
// server and sends snapshots once the API has authorized the request. Thread-safe.
// (vault-api-and-events 8)
class ProcessApi final : public api::Api {
 public:
  // `next` answers the rest, and `lifecycle` changes the state. `next`, `scheduler` and what the
  // facts point to must outlive it; `lifecycle` must live until Stop.
  ProcessApi(api::Api* next, Lifecycle* lifecycle, Facts facts, Scheduler* scheduler, Logger logger,
             const Limits& limits);
  ~ProcessApi() override;

  // Begins to unseal a server that unseals by itself and is initialized, and does not wait for it.
  void UnsealByItself();

  // For the end, when no requests come any more: returns when the change that is under way has
  // ended. Nothing is changed from then on, and what still waits is answered with 503. Requests
  // that are with `next` may end later, but before the destruction; `lifecycle` may go before.
  void Stop();

  void Handle(api::HttpRequest request, api::Respond respond) override;
  std::optional<api::HttpResponse> RefuseEarly(const api::HttpRequest& head,
                                               std::uint64_t body_bytes) const override;

 private:
  void Answer(const Endpoint& endpoint, api::HttpRequest request, api::Respond respond);
  // A line for the log: nothing else tells who changes the seal, which needs no token.
  void NoteChange(const Endpoint& endpoint, const std::string& from, int status);
  // Then 204.
  void Seal(api::Respond respond);
  void AnswerMetrics(const api::HttpRequest& request, api::Respond respond);
  // Answers with one, unless another is still being sent to a client that takes it.
  void SaveSnapshot(api::Respond respond);
  // What a change runs as: nothing is changed any more once Stop has been called.
  builtin::Answer Change(absl::AnyInvocable<builtin::Answer()>& answer);
  void PostChange(absl::AnyInvocable<void()> change);

  api::Api* const next_;
  Lifecycle* const lifecycle_;
  const Facts facts_;
  const Limits limits_;
  const Logger logger_;
  LogThrottle change_lines_{30, std::chrono::seconds(5)};
  std::atomic<bool> stopping_ = false;
  WaitGroup changing_;
  AutoUnsealer unsealer_;
  // The snapshot that is being sent. Of the thread of snapshots_.
  std::weak_ptr<SnapshotStream> sent_snapshot_;
  // One thread: the states change one after the other.
  const std::unique_ptr<Executor> changes_;
  // One thread each, for what is read while changes go on.
  const std::unique_ptr<Executor> snapshots_;
  const std::unique_ptr<Executor> metrics_;
};

}  // namespace belfry::process
