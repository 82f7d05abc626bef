#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "server/base/executor.h"
#include "server/base/gate.h"
#include "server/base/logging.h"
#include "server/base/metrics.h"
#include "server/base/mutex.h"
#include "server/mounts/engine.h"
#include "server/plugin_host/plugin_instance.h"

namespace belfry::plugin_host {

// A mount's engine that runs as a plugin. When its process is found dead it is started anew and the
// request sent once more; a request never hangs on a dead plugin. Thread-safe. Destroying it waits
// for requests under way and stops the plugin. (plugin-protocol 6.4)
class PluginEngine final : public mounts::Engine {
 public:
  // Starts an instance; called again after each crash, never on a thread of gRPC.
  using StartInstance = absl::AnyInvocable<absl::StatusOr<std::unique_ptr<PluginInstance>>() const>;

  // `first` runs already. `executor`, for restarts, and `metrics` must outlive the engine.
  PluginEngine(std::unique_ptr<PluginInstance> first, StartInstance start, std::string sha256,
               Executor* executor, Metrics* metrics, Logger logger);
  ~PluginEngine() override;

  void Handle(mounts::Request request,
              absl::AnyInvocable<void(absl::StatusOr<mounts::Reply>)> done) override;
  void CheckExistence(mounts::Request request,
                      absl::AnyInvocable<void(absl::StatusOr<mounts::Existence>)> done) override;
  std::string RunningVersion() const override;
  std::string RunningSha256() const override { return sha256_; }

 private:
  template <typename Traits>
  class Call;

  // Takes the instance that runs now, or why there is none.
  using Continuation = absl::AnyInvocable<void(absl::StatusOr<std::shared_ptr<PluginInstance>>)>;

  std::shared_ptr<PluginInstance> Current() const;
  // For a call whose connection to `broken` broke. Does not block: `then` runs at once when another
  // instance runs already, else on the executor. It gets `broken` itself when that still answers.
  // All that wait are served by one restart.
  void Recover(const PluginInstance* broken, Continuation then);
  // Blocks: the instance to go on with, started anew if need be.
  absl::StatusOr<std::shared_ptr<PluginInstance>> Replace();
  // Serves all that wait.
  void EndRecovery(absl::StatusOr<std::shared_ptr<PluginInstance>> instance);

  const StartInstance start_;
  const std::string sha256_;
  Executor* const executor_;
  Counter& restarts_;
  const Logger logger_;
  Gate calls_;
  mutable Mutex mutex_;
  // Shared: a call keeps the instance it was sent to.
  std::shared_ptr<PluginInstance> current_ ABSL_GUARDED_BY(mutex_);
  bool recovering_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<Continuation> waiting_ ABSL_GUARDED_BY(mutex_);
  // Kept until no call refers to them, so that none is destroyed on a thread of gRPC. Only Replace
  // uses it, which never runs twice at once.
  std::vector<std::shared_ptr<PluginInstance>> retired_;
};

}  // namespace belfry::plugin_host
