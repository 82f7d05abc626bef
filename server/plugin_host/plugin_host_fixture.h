#pragma once

#include <dirent.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/stat.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <fstream>
#include <functional>
#include <future>
#include <optional>
#include <span>

#include "base/testing.h"
#include "grpcpp/server_builder.h"
#include "proto/vault/backend.grpc.pb.h"
#include "sdk/wire/certificate.h"
#include "sdk/wire/credentials.h"
#include "server/plugin_host/plugin_host.h"
#include "server/plugin_host/program_file.h"
#include "server/plugin_host/testing.h"
#include "server/storage/testing.h"

// The host with real plugins in a folder of its own, for the tests of this room.

namespace belfry::plugin_host {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

inline mounts::Request Request(mounts::Operation operation, std::string path,
                               std::string data = "null") {
  mounts::Request request;
  request.operation = operation;
  request.path = std::move(path);
  request.data = std::move(data);
  request.mount_point = "n/";
  request.mount_type = "notes";
  request.deadline = SteadyTime::Now() + absl::Seconds(90);
  return request;
}

const absl::Status kStopping =
    absl::AbortedError("the server is stopping; the request may or may not have been carried out");

// In memory, with a chance to act just before a plugin is given what it reads.
class HookedStorage final : public storage::MemoryStorage {
 public:
  using MemoryStorage::MemoryStorage;
  // Runs before the next Get, on a thread of the host's; then it is forgotten.
  void BeforeNextGet(std::function<void()> hook) {
    MutexLock lock(&mutex_);
    hook_ = std::move(hook);
  }

  absl::StatusOr<std::optional<std::string>> Get(std::string_view key) const override {
    std::function<void()> hook;
    {
      MutexLock lock(&mutex_);
      hook = std::exchange(hook_, nullptr);
    }
    if (hook) hook();
    return MemoryStorage::Get(key);
  }

 private:
  mutable Mutex mutex_;
  mutable std::function<void()> hook_ ABSL_GUARDED_BY(mutex_);
};

class PluginHostTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "phXXXXXX").string();
    folder_ = mkdtemp(pattern.data());
    std::filesystem::create_directory(folder_ + "/plugins");
    std::filesystem::copy_file(BELFRY_BIN "/plugins/belfry-notes",
                               folder_ + "/plugins/belfry-notes");
  }
  void TearDown() override {
    host_.reset();
    EXPECT_FALSE(std::filesystem::exists(folder_ + "/s"));
    EXPECT_THAT(Plugins(), SizeIs(0));
    std::filesystem::remove_all(folder_);
  }

  void Script(const std::string& name, const std::string& text) {
    const std::string path = folder_ + "/plugins/" + name;
    std::ofstream(path) << "#!/bin/sh\n" << text << "\n";
    chmod(path.c_str(), 0700);
  }
  std::string Sha256(const std::string& name) const {
    return *Sha256Of(OpenProgram(folder_ + "/plugins/" + name)->descriptor);
  }
  void StartHost(Limits limits = {}) {
    absl::StatusOr<std::unique_ptr<PluginHost>> host =
        PluginHost::Create({.plugin_directories = {folder_ + "/plugins"},
                            .socket_directory = folder_ + "/s",
                            .guard_program = BELFRY_BIN "/belfry-plugin-guard",
                            .vault_version = "1.21.4",
                            .limits = limits},
                           storage_.get(), &clock_, metrics_.get(), Logger(log_, "plugins"));
    ASSERT_TRUE(host.ok()) << host.status();
    host_ = *std::move(host);
  }
  static mounts::MountEntry Entry(const std::string& type, const std::string& path) {
    mounts::MountEntry entry;
    entry.path = path;
    entry.type = type;
    entry.accessor = type + "_01234567";
    entry.backend_uuid = "11111111-2222-3333-4444-555555555555";
    return entry;
  }
  absl::StatusOr<std::unique_ptr<mounts::Engine>> Mount(const std::string& type,
                                                        const std::string& path = "n/") {
    return static_cast<mounts::EngineFactory&>(*host_).Create(Entry(type, path), storage_.get());
  }
  // What the host says of its only plugin.
  mounts::PluginProcesses OnlyProcesses() {
    const std::vector<mounts::PluginProcesses> all = host_->Processes();
    EXPECT_THAT(all, SizeIs(1));
    return all.empty() ? mounts::PluginProcesses() : all[0];
  }
  // Why a plugin does not start.
  std::string Sentence(const std::string& type) {
    const absl::Status status = Mount(type).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
    return std::string(ToStd(status.message()));
  }

  // For what is done on a thread of the host's, which nobody waits for.
  static bool Eventually(const std::function<bool()>& condition) {
    const SteadyTime limit = SteadyTime::Now() + absl::Minutes(1);
    while (!condition()) {
      if (SteadyTime::Now() > limit) return false;
      sched_yield();
    }
    return true;
  }
  // A plugin that is silent at its next starts, once Break has been called.
  void Breakable(const std::string& name) {
    Script(name, "[ -e " + folder_ +
                     "/broken ] && exec sleep 600; exec " BELFRY_BIN "/plugins/belfry-notes");
  }
  void Break() { std::ofstream(folder_ + "/broken") << "x"; }
  std::ptrdiff_t TimesLogged(const std::string& text) const {
    const std::vector<std::string> lines = log_->Lines();
    return std::count_if(lines.begin(), lines.end(), [&text](const std::string& line) {
      return line.find(text) != std::string::npos;
    });
  }

  // Returns when it has stopped: until then one of its threads might still answer.
  static void Freeze(pid_t plugin) {
    kill(plugin, SIGSTOP);
    EXPECT_TRUE(Eventually([plugin] { return StateOf(plugin) == 'T'; }));
  }
  static char StateOf(pid_t process) {
    std::ifstream file("/proc/" + std::to_string(process) + "/stat");
    pid_t pid = 0;
    std::string name;
    char state = 0;
    file >> pid >> name >> state;
    return state;
  }
  // Neither a line, nor a count, nor an event.
  void ExpectNoCrash() {
    EXPECT_EQ(TimesLogged("the plugin has crashed"), 0);
    EXPECT_THAT(metrics_->PrometheusText(), HasSubstr("belfry_plugin_crashes_total 0"));
    for (const CommittedEvent& event : observer_.Take(0))
      EXPECT_NE(event.message.event_type(), "sys/plugin-crash");
  }

  // One for each process that has not been cleaned up after.
  std::ptrdiff_t SocketFolders() const {
    return std::distance(std::filesystem::directory_iterator(folder_ + "/s"), {});
  }

  // Plugins that run, by their place in the tree of processes.
  std::vector<pid_t> Plugins() const {
    std::vector<pid_t> found;
    for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
      std::ifstream file(entry.path() / "stat");
      pid_t pid = 0;
      pid_t parent = 0;
      std::string name;
      char state = 0;
      if (file >> pid >> name >> state >> parent && parent == getpid() && state != 'Z' &&
          name != "(plugin-guard)")
        found.push_back(pid);
    }
    return found;
  }

  std::string folder_;
  RecordingObserver observer_;
  const std::unique_ptr<HookedStorage> storage_ = std::make_unique<HookedStorage>(&observer_);
  FakeClock clock_{absl::FromUnixSeconds(1795413511)};
  const std::unique_ptr<Metrics> metrics_ = NewMetrics();
  const std::shared_ptr<RecordingLogSink> log_ = std::make_shared<RecordingLogSink>();
  std::unique_ptr<PluginHost> host_;
};

inline absl::StatusOr<mounts::Reply> Ask(mounts::Engine& engine, mounts::Request request) {
  Answer<mounts::Reply> answer;
  engine.Handle(std::move(request), answer.Callback());
  return answer.Wait();
}
inline absl::StatusOr<mounts::Reply> Write(mounts::Engine& engine, const std::string& text) {
  return Ask(engine, Request(mounts::Operation::kUpdate, "notes/a", "{\"text\":\"" + text + "\"}"));
}
inline absl::StatusOr<mounts::Reply> Read(mounts::Engine& engine) {
  return Ask(engine, Request(mounts::Operation::kRead, "notes/a"));
}

}  // namespace belfry::plugin_host
