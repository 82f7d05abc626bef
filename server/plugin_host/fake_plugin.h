#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "base/mutex.h"
#include "base/text.h"
#include "grpcpp/server.h"
#include "grpcpp/server_builder.h"
#include "proto/belfry/v1/backend.grpc.pb.h"
#include "proto/vault/backend.grpc.pb.h"
#include "sdk/wire/handshake.h"
#include "server/plugin_host/plugin_engine.h"
#include "server/plugin_host/plugin_instance.h"

// A plugin without processes and sockets, for the tests of what calls one.

namespace belfry::plugin_host {

// Gets real RPCs, on a channel within this process. Its instances are named "1", "2" … in the order
// of their starts, and each RPC names its own as the multiplex id. Thread-safe; outlives the
// instances.
class FakePlugin final {
 public:
  FakePlugin() : backend_(this), writes_(this) {
    grpc::ServerBuilder builder;
    builder.RegisterService(&backend_);
    builder.RegisterService(&writes_);
    server_ = builder.BuildAndStart();
    channel_ = server_->InProcessChannel({});
  }
  ~FakePlugin() {
    Release();
    server_->Shutdown();
  }

  // What it answers with from now on.
  void AnswerWith(pb::HandleRequestReply reply) { Set(&FakePlugin::handled_, std::move(reply)); }
  void AnswerWith(pb::HandleExistenceCheckReply reply) {
    Set(&FakePlugin::existence_, std::move(reply));
  }
  void AnswerWith(v1::WriteReply reply) { Set(&FakePlugin::written_, std::move(reply)); }
  // From now on it does not know belfry.v1.Backend.
  void ForgetWrites() { Set(&FakePlugin::knows_writes_, false); }

  // What becomes of the next RPCs, one each, in this order; the others are answered.
  void NextEndsWith(const grpc::Status& status) { Script({.status = status}); }
  void NextKillsIt() { Script({.kills = true}); }
  void NextHangs() { Script({.hangs = true}); }
  // What hangs, is answered.
  void Release() {
    MutexLock lock(&mutex_);
    released_ = true;
    changed_.NotifyAll();
  }
  // The instance dies, and with it what it is asked from now on.
  void Kill(const std::string& instance) {
    MutexLock lock(&mutex_);
    dead_.insert(instance);
  }
  bool Lives(const std::string& instance) const {
    MutexLock lock(&mutex_);
    return !dead_.contains(instance);
  }

  // The RPCs that have come, in order: "<instance> <method> <operation> <path>".
  std::vector<std::string> Rpcs() const {
    MutexLock lock(&mutex_);
    return rpcs_;
  }
  void AwaitRpcs(std::size_t count) {
    MutexLock lock(&mutex_);
    while (rpcs_.size() < count) changed_.Wait(&mutex_);
  }
  // The instances of which the host has noted an answer, and those that it has looked at.
  std::vector<std::string> NotedAnswers() const {
    MutexLock lock(&mutex_);
    return noted_answers_;
  }
  std::vector<std::string> Looks() const {
    MutexLock lock(&mutex_);
    return looks_;
  }

  std::unique_ptr<PluginInstance> NewInstance() {
    MutexLock lock(&mutex_);
    return std::make_unique<FakeInstance>(this, std::to_string(++instances_));
  }

 private:
  struct Step {
    grpc::Status status;
    bool kills = false;
    bool hangs = false;
  };

  class FakeInstance final : public PluginInstance {
   public:
    FakeInstance(FakePlugin* plugin, std::string name)
        : plugin_(plugin),
          name_(std::move(name)),
          version_("v" + name_),
          sha256_("sha256 of " + name_),
          special_paths_(std::make_shared<mounts::SpecialPaths>(
              mounts::SpecialPaths{.root = mounts::PathSet({"root/" + name_})})) {}

    const std::shared_ptr<grpc::Channel>& channel() const override { return plugin_->channel_; }
    void Address(grpc::ClientContext& context) const override {
      context.AddMetadata(wire::kMultiplexIdMetadata, name_);
    }
    void NoteAnswer() override { plugin_->Note(&FakePlugin::noted_answers_, name_); }
    const std::string& version() const override { return version_; }
    const std::string& sha256() const override { return sha256_; }
    const std::shared_ptr<const mounts::SpecialPaths>& special_paths() const override {
      return special_paths_;
    }
    Found KillIfSilent() override {
      plugin_->Note(&FakePlugin::looks_, name_);
      return running() ? Found::kAnswers : Found::kEnded;
    }
    pid_t pid() const override { return 7; }
    bool running() const override { return plugin_->Lives(name_); }
    void AllowWrites() const override {}
    void ForbidWrites() const override {}

   private:
    FakePlugin* const plugin_;
    const std::string name_;
    const std::string version_;
    const std::string sha256_;
    const std::shared_ptr<const mounts::SpecialPaths> special_paths_;
  };

  class Backend final : public pb::Backend::Service {
   public:
    explicit Backend(FakePlugin* plugin) : plugin_(plugin) {}
    grpc::Status HandleRequest(grpc::ServerContext* context, const pb::HandleRequestArgs* args,
                               pb::HandleRequestReply* reply) override {
      return plugin_->OnRpc(*context, "HandleRequest", args->request(), &FakePlugin::handled_,
                            reply);
    }
    grpc::Status HandleExistenceCheck(grpc::ServerContext* context,
                                      const pb::HandleExistenceCheckArgs* args,
                                      pb::HandleExistenceCheckReply* reply) override {
      return plugin_->OnRpc(*context, "HandleExistenceCheck", args->request(),
                            &FakePlugin::existence_, reply);
    }

   private:
    FakePlugin* const plugin_;
  };

  class Writes final : public v1::Backend::Service {
   public:
    explicit Writes(FakePlugin* plugin) : plugin_(plugin) {}
    grpc::Status Write(grpc::ServerContext* context, const pb::HandleRequestArgs* args,
                       v1::WriteReply* reply) override {
      return plugin_->OnRpc(*context, "Write", args->request(), &FakePlugin::written_, reply);
    }

   private:
    FakePlugin* const plugin_;
  };

  template <typename T>
  void Set(T FakePlugin::*what, T value) {
    MutexLock lock(&mutex_);
    this->*what = std::move(value);
  }
  void Note(std::vector<std::string> FakePlugin::*where, const std::string& instance) {
    MutexLock lock(&mutex_);
    (this->*where).push_back(instance);
  }
  void Script(Step step) {
    MutexLock lock(&mutex_);
    script_.push_back(std::move(step));
  }

  template <typename Reply>
  grpc::Status OnRpc(const grpc::ServerContext& context, std::string_view method,
                     const pb::Request& request, Reply FakePlugin::*answer, Reply* reply) {
    const auto id = context.client_metadata().find(wire::kMultiplexIdMetadata);
    const std::string instance(id->second.data(), id->second.size());
    MutexLock lock(&mutex_);
    rpcs_.push_back(Concat({instance, " ", method, " ", request.operation(), " ", request.path()}));
    changed_.NotifyAll();
    if (method == "Write" && !knows_writes_) return {grpc::StatusCode::UNIMPLEMENTED, ""};
    Step step;
    if (!script_.empty()) {
      step = std::move(script_.front());
      script_.pop_front();
    }
    if (step.kills) dead_.insert(instance);
    while (step.hangs && !released_) changed_.Wait(&mutex_);
    if (dead_.contains(instance)) return {grpc::StatusCode::UNAVAILABLE, "Socket closed"};
    *reply = this->*answer;
    return step.status;
  }

  mutable Mutex mutex_;
  CondVar changed_;
  pb::HandleRequestReply handled_ ABSL_GUARDED_BY(mutex_);
  pb::HandleExistenceCheckReply existence_ ABSL_GUARDED_BY(mutex_);
  v1::WriteReply written_ ABSL_GUARDED_BY(mutex_);
  bool knows_writes_ ABSL_GUARDED_BY(mutex_) = true;
  bool released_ ABSL_GUARDED_BY(mutex_) = false;
  int instances_ ABSL_GUARDED_BY(mutex_) = 0;
  std::deque<Step> script_ ABSL_GUARDED_BY(mutex_);
  std::set<std::string> dead_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::string> rpcs_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::string> noted_answers_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::string> looks_ ABSL_GUARDED_BY(mutex_);
  Backend backend_;
  Writes writes_;
  std::unique_ptr<grpc::Server> server_;
  std::shared_ptr<grpc::Channel> channel_;
};

// Starts instances of a FakePlugin, which must outlive it. Thread-safe.
class FakePluginStarter final : public InstanceStarter {
 public:
  explicit FakePluginStarter(FakePlugin* plugin) : plugin_(plugin) {}

  // The next start, or the next look into the catalog, ends so.
  void NextStartFails(absl::Status failure) {
    MutexLock lock(&mutex_);
    start_failure_ = std::move(failure);
  }
  void NextResolveFails(absl::Status failure) {
    MutexLock lock(&mutex_);
    resolve_failure_ = std::move(failure);
  }
  // From now on the host is stopping.
  void Stop() { stopping_ = true; }
  // "requested: /plugins/notes 1", and after a crash "crash: /plugins/notes, rebuilt 1": the
  // program and the version of the entry.
  std::vector<std::string> Starts() const {
    MutexLock lock(&mutex_);
    return starts_;
  }

  absl::StatusOr<PluginProgram> Resolve(const mounts::MountEntry& entry) const override {
    MutexLock lock(&mutex_);
    if (!resolve_failure_.ok()) return std::exchange(resolve_failure_, absl::OkStatus());
    return PluginProgram{.path = Concat({"/plugins/", entry.type})};
  }
  PluginProgram Current(const PluginProgram& program) const override {
    PluginProgram current = program;
    current.path += ", rebuilt";
    return current;
  }
  absl::StatusOr<std::unique_ptr<PluginInstance>> Start(const PluginProgram& program,
                                                        const mounts::MountEntry& entry,
                                                        StartReason reason) const override {
    MutexLock lock(&mutex_);
    starts_.push_back(Concat({reason == StartReason::kCrash ? "crash: " : "requested: ",
                              program.path, " ", entry.plugin_version}));
    if (!start_failure_.ok()) return std::exchange(start_failure_, absl::OkStatus());
    return plugin_->NewInstance();
  }
  std::uint64_t Writes() const override { return 0; }
  bool Stopping() const override { return stopping_; }

 private:
  FakePlugin* const plugin_;
  std::atomic<bool> stopping_ = false;
  mutable Mutex mutex_;
  mutable absl::Status start_failure_ ABSL_GUARDED_BY(mutex_);
  mutable absl::Status resolve_failure_ ABSL_GUARDED_BY(mutex_);
  mutable std::vector<std::string> starts_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace belfry::plugin_host
