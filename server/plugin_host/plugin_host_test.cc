// The room with real processes: the notes plugin as users get it, and scripts that misbehave.
#include "server/plugin_host/plugin_host.h"

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
#include "server/plugin_host/program_file.h"
#include "server/plugin_host/testing.h"
#include "server/storage/testing.h"

namespace belfry::plugin_host {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

// Waits for the answer of one call.
template <typename T>
class Answer {
 public:
  auto Callback() {
    return [this](absl::StatusOr<T> value) {
      MutexLock lock(&mutex_);
      value_ = std::move(value);
      came_.NotifyAll();
    };
  }
  absl::StatusOr<T> Wait() {
    MutexLock lock(&mutex_);
    while (!value_) came_.Wait(&mutex_);
    return *value_;
  }
  // OK also when it has not come.
  absl::Status FailureSoFar() {
    MutexLock lock(&mutex_);
    return value_ ? value_->status() : absl::OkStatus();
  }

 private:
  Mutex mutex_;
  CondVar came_;
  std::optional<absl::StatusOr<T>> value_ ABSL_GUARDED_BY(mutex_);
};

mounts::Request Request(mounts::Operation operation, std::string path, std::string data = "null") {
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

absl::StatusOr<mounts::Reply> Ask(mounts::Engine& engine, mounts::Request request) {
  Answer<mounts::Reply> answer;
  engine.Handle(std::move(request), answer.Callback());
  return answer.Wait();
}
absl::StatusOr<mounts::Reply> Write(mounts::Engine& engine, const std::string& text) {
  return Ask(engine, Request(mounts::Operation::kUpdate, "notes/a", "{\"text\":\"" + text + "\"}"));
}
absl::StatusOr<mounts::Reply> Read(mounts::Engine& engine) {
  return Ask(engine, Request(mounts::Operation::kRead, "notes/a"));
}

TEST_F(PluginHostTest, APluginWritesReadsAndTellsOfItAsItsMount) {
  StartHost();
  ASSERT_THAT(host_->List(), SizeIs(1));
  EXPECT_EQ(host_->List()[0].name, "notes");
  absl::StatusOr<std::unique_ptr<mounts::Engine>> engine = Mount("notes");
  ASSERT_TRUE(engine.ok()) << engine.status();
  EXPECT_THAT((*engine)->RunningSha256(), SizeIs(64));
  const absl::StatusOr<mounts::Reply> written = Write(**engine, "hi");
  ASSERT_TRUE(written.ok()) << written.status();
  EXPECT_FALSE(written->error);
  const absl::StatusOr<mounts::Reply> read = Read(**engine);
  ASSERT_TRUE(read.ok() && read->response);
  EXPECT_EQ(read->response->data, R"({"text":"hi"})");
  const std::vector<CommittedEvent> events = observer_.Take(1);
  ASSERT_THAT(events, SizeIs(1));
  const logical::EventReceived& event = events[0].message;
  EXPECT_EQ(event.event_type(), "notes/write");
  EXPECT_EQ(event.plugin_info().mount_class(), "secret");
  EXPECT_EQ(event.plugin_info().mount_path(), "n/");
  EXPECT_EQ(event.plugin_info().mount_accessor(), "notes_01234567");
  EXPECT_EQ(event.plugin_info().plugin(), "notes");
  EXPECT_EQ(TextOf(event, "path"), "n/notes/a");
  EXPECT_EQ(TextOf(event, "data_path"), "n/notes/a");
  EXPECT_EQ(events[0].event.accepted, clock_.Now());
}

TEST_F(PluginHostTest, AnExistenceCheckTellsCreateFromUpdate) {
  StartHost();
  absl::StatusOr<std::unique_ptr<mounts::Engine>> engine = Mount("notes");
  ASSERT_TRUE(engine.ok()) << engine.status();
  const auto check = [&] {
    Answer<mounts::Existence> answer;
    (*engine)->CheckExistence(Request(mounts::Operation::kCreate, "notes/a", "{}"),
                              answer.Callback());
    return *answer.Wait();
  };
  EXPECT_EQ(check(), mounts::Existence::kMissing);
  ASSERT_TRUE(Write(**engine, "hi").ok());
  EXPECT_EQ(check(), mounts::Existence::kExists);
}

TEST_F(PluginHostTest, AWriteIsOneCallToAPluginThatTakesIt) {
  StartHost();
  absl::StatusOr<std::unique_ptr<mounts::Engine>> engine = Mount("notes");
  ASSERT_TRUE(engine.ok()) << engine.status();
  const auto write = [&](const char* data) {
    Answer<mounts::Reply> answer;
    (*engine)->Write(Request(mounts::Operation::kUpdate, "notes/a", data), answer.Callback());
    return answer.Wait();
  };
  const absl::StatusOr<mounts::Reply> written = write(R"({"text":"hi"})");
  ASSERT_TRUE(written.ok()) << written.status();
  EXPECT_FALSE(written->error);
  const absl::StatusOr<mounts::Reply> read = Read(**engine);
  ASSERT_TRUE(read.ok() && read->response);
  EXPECT_EQ(read->response->data, R"({"text":"hi"})");
  const absl::StatusOr<mounts::Reply> refused = write("{}");
  ASSERT_TRUE(refused.ok() && refused->response);
  EXPECT_THAT(refused->response->data, HasSubstr("missing required field"));
}

TEST_F(PluginHostTest, AnUnknownPathIs404AndAMissingThingIsNothing) {
  StartHost();
  absl::StatusOr<std::unique_ptr<mounts::Engine>> engine = Mount("notes");
  ASSERT_TRUE(engine.ok()) << engine.status();
  const absl::StatusOr<mounts::Reply> missing = Read(**engine);
  ASSERT_TRUE(missing.ok());
  EXPECT_FALSE(missing->response || missing->error);
}

TEST_F(PluginHostTest, AKilledPluginIsBackForTheNextRequest) {
  StartHost();
  absl::StatusOr<std::unique_ptr<mounts::Engine>> engine = Mount("notes");
  ASSERT_TRUE(engine.ok()) << engine.status();
  ASSERT_TRUE(Write(**engine, "before").ok());
  ASSERT_THAT(Plugins(), SizeIs(1));
  const pid_t killed = Plugins()[0];
  kill(killed, SIGKILL);
  const absl::StatusOr<mounts::Reply> read = Read(**engine);
  ASSERT_TRUE(read.ok() && read->response) << read.status();
  EXPECT_EQ(read->response->data, R"({"text":"before"})");
  ASSERT_THAT(Plugins(), SizeIs(1));
  EXPECT_NE(Plugins()[0], killed);
}

TEST_F(PluginHostTest, NothingOfAKilledPluginStays) {
  StartHost();
  absl::StatusOr<std::unique_ptr<mounts::Engine>> engine = Mount("notes");
  ASSERT_TRUE(engine.ok() && Write(**engine, "before").ok()) << engine.status();
  for (int i = 0; i < 3; ++i) {
    kill(Plugins()[0], SIGKILL);
    ASSERT_TRUE(Read(**engine).ok());
  }
  // Its folder goes last, and not on the thread of the request.
  EXPECT_TRUE(Eventually([this] { return SocketFolders() == 1; }));
}

TEST_F(PluginHostTest, RequestsUnderWayAreAnsweredWhenThePluginDies) {
  StartHost();
  absl::StatusOr<std::unique_ptr<mounts::Engine>> engine = Mount("notes");
  ASSERT_TRUE(engine.ok()) << engine.status();
  ASSERT_TRUE(Write(**engine, "before").ok());
  // It can no longer answer, so that all of them are under way when it dies.
  Freeze(Plugins()[0]);
  std::vector<Answer<mounts::Reply>> answers(50);
  for (Answer<mounts::Reply>& answer : answers)
    (*engine)->Handle(Request(mounts::Operation::kRead, "notes/a"), answer.Callback());
  kill(Plugins()[0], SIGKILL);
  for (Answer<mounts::Reply>& answer : answers) {
    const absl::StatusOr<mounts::Reply> read = answer.Wait();
    ASSERT_TRUE(read.ok() && read->response) << read.status();
    EXPECT_EQ(read->response->data, R"({"text":"before"})");
  }
  EXPECT_THAT(metrics_->PrometheusText(), HasSubstr("belfry_plugin_restarts_total 1"));
}

TEST_F(PluginHostTest, APluginThatDoesNotComeBackIsOneSentenceAndThenTriedAgain) {
  Script("fickle",
         "[ -e " + folder_ + "/broken ] && exit 9; exec " BELFRY_BIN "/plugins/belfry-notes");
  StartHost();
  absl::StatusOr<std::unique_ptr<mounts::Engine>> engine = Mount("fickle");
  ASSERT_TRUE(engine.ok()) << engine.status();
  std::ofstream(folder_ + "/broken") << "x";
  kill(Plugins()[0], SIGKILL);
  const absl::Status status = Read(**engine).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(status.message(),
            "the plugin \"fickle\" could not be started; the server's log says why");
  EXPECT_THAT(log_->Lines(),
              ::testing::Contains(HasSubstr("a plugin could not be started again: path=n/ reason="
                                            "the plugin \"fickle\" could not be started: it exited "
                                            "with code 9 before its handshake")));
  std::filesystem::remove(folder_ + "/broken");
  EXPECT_TRUE(Read(**engine).ok());
}

TEST_F(PluginHostTest, ADeathWhileIdleCostsTheNextRequestNoneOfItsAttempts) {
  StartHost();
  auto engine = Mount("notes");
  ASSERT_TRUE(engine.ok() && Write(**engine, "kept").ok()) << engine.status();
  kill(Plugins()[0], SIGKILL);
  while (!OnlyProcesses().running.empty()) sched_yield();
  // The next one dies, too, while it answers.
  storage_->BeforeNextGet([this] { kill(Plugins().at(0), SIGKILL); });
  const absl::StatusOr<mounts::Reply> read = Read(**engine);
  ASSERT_TRUE(read.ok() && read->response) << read.status();
  EXPECT_EQ(read->response->data, R"({"text":"kept"})");
  EXPECT_EQ(OnlyProcesses().crashes, 2);
}

TEST_F(PluginHostTest, PluginsThatAreSlowToRestartHoldUpNoOther) {
  std::vector<std::unique_ptr<mounts::Engine>> slow;
  for (int i = 0; i < 6; ++i) Breakable("slow" + std::to_string(i));
  StartHost();
  for (int i = 0; i < 6; ++i) {
    auto engine = Mount("slow" + std::to_string(i), "s" + std::to_string(i) + "/");
    ASSERT_TRUE(engine.ok()) << engine.status();
    slow.push_back(*std::move(engine));
  }
  auto healthy = Mount("notes");
  ASSERT_TRUE(healthy.ok() && Write(**healthy, "kept").ok()) << healthy.status();
  Break();
  for (const pid_t plugin : Plugins()) kill(plugin, SIGKILL);
  std::vector<Answer<mounts::Reply>> waiting(slow.size());
  for (std::size_t i = 0; i < slow.size(); ++i)
    slow[i]->Handle(Request(mounts::Operation::kRead, "notes/a"), waiting[i].Callback());
  const absl::StatusOr<mounts::Reply> read = Read(**healthy);
  ASSERT_TRUE(read.ok() && read->response) << read.status();
  EXPECT_EQ(read->response->data, R"({"text":"kept"})");
  // What starts is not waited for when the host ends.
  host_->BeginStop(absl::InfiniteDuration());
  for (Answer<mounts::Reply>& answer : waiting) EXPECT_EQ(answer.Wait().status(), kStopping);
}

TEST_F(PluginHostTest, NoMorePluginsAreStartedAtOnceThanMayAndTheRestAreTold) {
  Breakable("notes2");
  Script("silent", "exec sleep 600");
  StartHost({.max_plugin_starts_at_once = 2});
  auto healthy = Mount("notes2", "h/");
  ASSERT_TRUE(healthy.ok() && Write(**healthy, "kept").ok()) << healthy.status();
  std::vector<std::future<absl::Status>> starting;
  for (int i = 0; i < 2; ++i) {
    mounts::PluginEntry entry;
    entry.name = "silent";
    entry.command = "silent";
    entry.version = "v1.0." + std::to_string(i);
    entry.sha256 = Sha256("silent");
    starting.push_back(
        std::async(std::launch::async, [this, entry] { return host_->Register(entry); }));
  }
  while (Plugins().size() < 3) sched_yield();
  EXPECT_EQ(Mount("notes").status(),
            absl::ResourceExhaustedError(
                "2 plugins are being started at this moment, which is the limit; try again"));
  // A plugin that has crashed needs no place among them.
  for (const mounts::PluginProcesses& plugin : host_->Processes())
    kill(plugin.running.at(0).pid, SIGKILL);
  EXPECT_TRUE(Read(**healthy).ok());
  host_->BeginStop(absl::InfiniteDuration());
  for (std::future<absl::Status>& one : starting)
    EXPECT_EQ(one.get(), absl::AbortedError("the server is stopping"));
}

TEST_F(PluginHostTest, MountsThatWaitForAStartShareItsFailure) {
  Script("silent", "echo started >> " + folder_ + "/starts; exec sleep 600");
  StartHost({.plugin_start_timeout = absl::Seconds(1)});
  std::vector<std::future<absl::Status>> mounting;
  for (int i = 0; i < 8; ++i) {
    mounting.push_back(std::async(std::launch::async, [this, i] {
      return Mount("silent", std::to_string(i) + "/").status();
    }));
  }
  for (std::future<absl::Status>& one : mounting)
    EXPECT_THAT(std::string(one.get().message()), HasSubstr("no handshake line"));
  std::ifstream starts(folder_ + "/starts");
  // Not one after the other; a thread that is late to ask may have had to start its own.
  EXPECT_LT(std::count(std::istreambuf_iterator<char>(starts), {}, '\n'), 8);
}

TEST_F(PluginHostTest, WhatWaitsForARestartIsBounded) {
  Breakable("slow");
  StartHost({.max_requests_queued_per_plugin = 2});
  auto engine = Mount("slow");
  ASSERT_TRUE(engine.ok()) << engine.status();
  Break();
  kill(Plugins()[0], SIGKILL);
  while (!OnlyProcesses().running.empty()) sched_yield();
  std::vector<Answer<mounts::Reply>> waiting(2);
  for (Answer<mounts::Reply>& answer : waiting)
    (*engine)->Handle(Request(mounts::Operation::kRead, "notes/a"), answer.Callback());
  const absl::Status refused =
      absl::ResourceExhaustedError("too many requests queued for plugin restart; try again");
  EXPECT_EQ(Read(**engine).status(), refused);
  host_->BeginStop(absl::InfiniteDuration());
  for (Answer<mounts::Reply>& answer : waiting) EXPECT_EQ(answer.Wait().status(), kStopping);
}

TEST_F(PluginHostTest, WhatWaitsForAReloadIsBounded) {
  StartHost({.max_requests_queued_per_plugin = 2});
  auto engine = Mount("notes");
  ASSERT_TRUE(engine.ok() && Write(**engine, "kept").ok()) << engine.status();
  // A request that the reload has to wait for.
  std::promise<void> reading;
  std::promise<void> go_on;
  storage_->BeforeNextGet([&] {
    reading.set_value();
    go_on.get_future().wait();
  });
  Answer<mounts::Reply> under_way;
  (*engine)->Handle(Request(mounts::Operation::kRead, "notes/a"), under_way.Callback());
  reading.get_future().wait();
  std::future<absl::Status> reload = std::async(
      std::launch::async, [&engine] { return (*engine)->Restart(Entry("notes", "n/")); });
  // Until it has begun they are answered, then two are held back, then they are refused.
  std::deque<Answer<mounts::Reply>> answers;
  absl::Status refused;
  while (refused.ok()) {
    (*engine)->Handle(Request(mounts::Operation::kRead, "notes/a"),
                      answers.emplace_back().Callback());
    refused = answers.back().FailureSoFar();
    sched_yield();
  }
  EXPECT_EQ(refused,
            absl::ResourceExhaustedError("too many requests queued for plugin restart; try again"));
  go_on.set_value();
  EXPECT_TRUE(reload.get().ok());
  answers.pop_back();
  for (Answer<mounts::Reply>& answer : answers) EXPECT_TRUE(answer.Wait().ok());
  EXPECT_TRUE(under_way.Wait().ok());
}

TEST_F(PluginHostTest, ASilentProcessIsLookedAtOnceHoweverManyMountsItHas) {
  StartHost();
  std::vector<std::unique_ptr<mounts::Engine>> engines;
  for (int i = 0; i < 12; ++i) {
    auto engine = Mount("notes", std::to_string(i) + "/");
    ASSERT_TRUE(engine.ok()) << engine.status();
    engines.push_back(*std::move(engine));
  }
  Freeze(Plugins()[0]);
  host_->RetireProcesses("notes");
  const absl::Time begin = absl::Now();
  for (int i = 0; i < 12; ++i)
    ASSERT_TRUE(engines[i]->Restart(Entry("notes", std::to_string(i) + "/")).ok());
  // Two seconds for each would be 24.
  EXPECT_LT(absl::Now() - begin, absl::Seconds(16));
  EXPECT_EQ(TimesLogged("it did not answer its health check within 2s"), 1);
  ExpectNoCrash();
  EXPECT_THAT(Plugins(), SizeIs(1));
}

TEST_F(PluginHostTest, TheEndKillsWhatIsSilentSideBySide) {
  const std::vector<std::string> names = {"a", "b", "c", "d", "e"};
  for (const std::string& name : names) Breakable(name);
  StartHost();
  std::vector<std::unique_ptr<mounts::Engine>> engines;
  for (const std::string& name : names) {
    auto engine = Mount(name, name + "/");
    ASSERT_TRUE(engine.ok()) << engine.status();
    engines.push_back(*std::move(engine));
  }
  for (const pid_t plugin : Plugins()) Freeze(plugin);
  std::vector<Answer<mounts::Reply>> under_way(engines.size());
  for (std::size_t i = 0; i < engines.size(); ++i)
    engines[i]->Handle(Request(mounts::Operation::kRead, "notes/a"), under_way[i].Callback());
  host_->BeginStop(absl::InfiniteDuration());
  for (Answer<mounts::Reply>& answer : under_way) EXPECT_EQ(answer.Wait().status(), kStopping);
  EXPECT_EQ(TimesLogged("it did not answer its health check within 2s"), 5);
  ExpectNoCrash();
  EXPECT_THAT(Plugins(), SizeIs(0));
}

// It says that it lives, and does not end its requests.
TEST_F(PluginHostTest, TheEndKillsWhatDoesNotEndInTime) {
  StartHost();
  auto engine = Mount("notes");
  ASSERT_TRUE(engine.ok()) << engine.status();
  std::promise<void> go_on;
  storage_->BeforeNextGet([&] { go_on.get_future().wait(); });
  Answer<mounts::Reply> under_way;
  (*engine)->Handle(Request(mounts::Operation::kRead, "notes/a"), under_way.Callback());
  host_->BeginStop(absl::Milliseconds(100));
  EXPECT_EQ(under_way.Wait().status(), kStopping);
  EXPECT_EQ(TimesLogged("plugin killed: pid="), 1);
  EXPECT_EQ(TimesLogged("the server is stopping, and it did not end its requests within 100ms"), 1);
  go_on.set_value();
  ExpectNoCrash();
}

TEST_F(PluginHostTest, WhatIsKeptOfAPluginGoesWithItsLastMount) {
  StartHost();
  auto first = Mount("notes", "n/");
  auto second = Mount("notes", "m/");
  ASSERT_TRUE(first.ok() && second.ok());
  metrics_->GetCounter("belfry_events_rejected_total", "", {{"mount", "n/"}, {"code", "X"}});
  metrics_->GetCounter("belfry_events_rejected_total", "", {{"mount", "m/"}, {"code", "X"}});
  first->reset();
  EXPECT_THAT(host_->Processes(), SizeIs(1));
  EXPECT_THAT(metrics_->PrometheusText(), ::testing::Not(HasSubstr("mount=\"n/\"")));
  EXPECT_THAT(metrics_->PrometheusText(), HasSubstr("mount=\"m/\""));
  second->reset();
  EXPECT_TRUE(Eventually([this] { return host_->Processes().empty(); }));
}

TEST_F(PluginHostTest, ABackOffPassesWhateverTheWallClockIsSetTo) {
  Script("fickle",
         "[ -e " + folder_ + "/broken ] && exit 9; exec " BELFRY_BIN "/plugins/belfry-notes");
  StartHost();
  auto engine = Mount("fickle");
  ASSERT_TRUE(engine.ok()) << engine.status();
  Break();
  kill(Plugins()[0], SIGKILL);
  for (int i = 0; i < 3; ++i)
    EXPECT_THAT(std::string(Read(**engine).status().message()),
                HasSubstr("\"fickle\" could not be started"));
  for (const absl::Duration jump : {-absl::Hours(1), 2 * absl::Hours(1)}) {
    clock_.SetWallClock(clock_.Now() + jump);
    EXPECT_THAT(std::string(Read(**engine).status().message()),
                HasSubstr("it is tried again in 250ms"));
    EXPECT_EQ(OnlyProcesses().next_restart, clock_.Now() + absl::Milliseconds(250));
  }
  clock_.Advance(absl::Milliseconds(250));
  EXPECT_THAT(std::string(Read(**engine).status().message()),
              HasSubstr("\"fickle\" could not be started"));
}

TEST_F(PluginHostTest, MountsWithTheSameEntryShareOneProcess) {
  StartHost();
  auto first = Mount("notes", "n/");
  auto second = Mount("notes", "m/");
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_THAT(Plugins(), SizeIs(1));
  const mounts::PluginProcesses processes = OnlyProcesses();
  ASSERT_THAT(processes.running, SizeIs(1));
  EXPECT_EQ(processes.running[0].pid, Plugins()[0]);
  EXPECT_EQ(processes.running[0].started, clock_.Now());
  EXPECT_THAT(processes.running[0].mounts, ElementsAre("m/", "n/"));
  first->reset();
  EXPECT_THAT(Plugins(), SizeIs(1));
  EXPECT_TRUE(Write(**second, "hi").ok());
  EXPECT_EQ(observer_.Take(1)[0].message.plugin_info().mount_path(), "m/");
  second->reset();
  EXPECT_TRUE(Eventually([this] { return Plugins().empty() && host_->Processes().empty(); }));
}

TEST_F(PluginHostTest, EveryMountOfADeadProcessComesBackInOneNewProcess) {
  StartHost();
  auto first = Mount("notes", "n/");
  auto second = Mount("notes", "m/");
  ASSERT_TRUE(first.ok() && second.ok());
  kill(Plugins()[0], SIGKILL);
  EXPECT_TRUE(Read(**first).ok());
  EXPECT_TRUE(Read(**second).ok());
  EXPECT_THAT(Plugins(), SizeIs(1));
}

TEST_F(PluginHostTest, ACrashIsAnEventAMetricAndOnRecord) {
  StartHost();
  auto engine = Mount("notes");
  ASSERT_TRUE(engine.ok()) << engine.status();
  kill(Plugins()[0], SIGKILL);
  const logical::EventReceived event = observer_.Take(1)[0].message;
  EXPECT_EQ(event.event_type(), "sys/plugin-crash");
  EXPECT_EQ(TextOf(event, "plugin"), "notes");
  EXPECT_EQ(TextOf(event, "end"), "was ended by signal 9 (Killed)");
  EXPECT_EQ(TextOf(event, "path"), "sys/plugins/catalog/secret/notes");
  EXPECT_THAT(metrics_->PrometheusText(), HasSubstr("belfry_plugin_crashes_total 1"));
  const mounts::PluginProcesses processes = OnlyProcesses();
  EXPECT_EQ(processes.crashes, 1);
  EXPECT_EQ(processes.last_crash, "was ended by signal 9 (Killed)");
}

TEST_F(PluginHostTest, APluginThatStopsWhenToldToHasNotCrashed) {
  StartHost();
  ASSERT_TRUE(Mount("notes").ok());
  EXPECT_EQ(TimesLogged("plugin stopped: pid="), 1);
  EXPECT_EQ(TimesLogged("plugin killed"), 0);
  ExpectNoCrash();
}

TEST_F(PluginHostTest, WhatTheHostKillsHasNotCrashed) {
  StartHost({.plugin_stop_timeout = absl::Milliseconds(100)});
  auto engine = Mount("notes");
  ASSERT_TRUE(engine.ok() && Write(**engine, "kept").ok());
  // A request finds out that it hangs.
  Freeze(Plugins()[0]);
  (*engine)->KillIfSilent();
  EXPECT_EQ(TimesLogged("reason=it did not answer its health check within 2s"), 1);
  ASSERT_TRUE(Read(**engine).ok());
  EXPECT_EQ(TimesLogged("plugin restarted: plugin=notes pid="), 1);
  EXPECT_EQ(TimesLogged("attempt=1 next_attempt_after=0"), 1);
  // A reload, and the end of the mount.
  Freeze(Plugins()[0]);
  host_->RetireProcesses("notes");
  ASSERT_TRUE((*engine)->Restart(Entry("notes", "n/")).ok());
  Freeze(Plugins()[0]);
  engine->reset();
  EXPECT_EQ(TimesLogged("plugin killed"), 3);
  EXPECT_EQ(TimesLogged("plugin stopped"), 3);
  ExpectNoCrash();
}

TEST_F(PluginHostTest, WhoKillsAPluginWhileTheHostLooksAtItHasMadeItCrash) {
  StartHost();
  auto engine = Mount("notes");
  ASSERT_TRUE(engine.ok()) << engine.status();
  for (int i = 0; i < 10; ++i) {
    kill(Plugins()[0], SIGKILL);
    (*engine)->KillIfSilent();
    ASSERT_TRUE(Read(**engine).ok());
  }
  EXPECT_EQ(TimesLogged("plugin killed"), 0);
  EXPECT_TRUE(Eventually([this] { return OnlyProcesses().crashes == 10; }));
}

TEST_F(PluginHostTest, APluginThatCrashesAgainAndAgainIsStartedLessAndLessOften) {
  Script("fickle",
         "[ -e " + folder_ + "/broken ] && exit 9; exec " BELFRY_BIN "/plugins/belfry-notes");
  StartHost();
  auto engine = Mount("fickle");
  ASSERT_TRUE(engine.ok()) << engine.status();
  std::ofstream(folder_ + "/broken") << "x";
  kill(Plugins()[0], SIGKILL);
  for (int i = 0; i < 3; ++i)
    EXPECT_THAT(std::string(Read(**engine).status().message()),
                HasSubstr("\"fickle\" could not be started"));
  const absl::Status early = Read(**engine).status();
  EXPECT_EQ(early.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(early.message(),
            "the plugin \"fickle\" has crashed and was restarted 3 times without answering a "
            "request; it is tried again in 250ms");
  EXPECT_EQ(OnlyProcesses().fruitless_restarts, 3);
  EXPECT_EQ(OnlyProcesses().next_restart, clock_.Now() + absl::Milliseconds(250));
  clock_.Advance(absl::Milliseconds(250));
  EXPECT_THAT(std::string(Read(**engine).status().message()),
              HasSubstr("\"fickle\" could not be started"));
  EXPECT_EQ(OnlyProcesses().next_restart, clock_.Now() + absl::Milliseconds(500));
  std::filesystem::remove(folder_ + "/broken");
  EXPECT_FALSE(Read(**engine).ok());
  clock_.Advance(absl::Milliseconds(500));
  EXPECT_TRUE(Read(**engine).ok());
  EXPECT_EQ(OnlyProcesses().fruitless_restarts, 0);
}

TEST_F(PluginHostTest, ARestartGoesOnWithTheNewEntryAndTheSameData) {
  StartHost();
  auto engine = Mount("notes");
  ASSERT_TRUE(engine.ok() && Write(**engine, "kept").ok());
  observer_.Take(1);
  mounts::MountEntry entry = Entry("notes", "n/");
  entry.options["version"] = "7";
  ASSERT_TRUE((*engine)->Restart(entry).ok());
  EXPECT_EQ(Read(**engine)->response->data, R"({"text":"kept"})");
  ASSERT_TRUE(Write(**engine, "new").ok());
  EXPECT_EQ(observer_.Take(1)[0].message.plugin_info().version(), "7");
  EXPECT_THAT(Plugins(), SizeIs(1));
  // A crash starts what the restart has left.
  kill(Plugins()[0], SIGKILL);
  EXPECT_TRUE(Write(**engine, "newer").ok());
  std::vector<CommittedEvent> events = observer_.Take(2);
  EXPECT_EQ(events.back().message.plugin_info().version(), "7");
}

TEST_F(PluginHostTest, ARetiredProcessEndsWhenItsLastMountHasMovedOn) {
  StartHost();
  auto first = Mount("notes", "n/");
  auto second = Mount("notes", "m/");
  ASSERT_TRUE(first.ok() && second.ok());
  const pid_t old = Plugins()[0];
  host_->RetireProcesses("notes");
  ASSERT_TRUE((*first)->Restart(Entry("notes", "n/")).ok());
  EXPECT_THAT(Plugins(), SizeIs(2));
  ASSERT_TRUE((*second)->Restart(Entry("notes", "m/")).ok());
  ASSERT_THAT(Plugins(), SizeIs(1));
  EXPECT_NE(Plugins()[0], old);
  EXPECT_EQ(OnlyProcesses().crashes, 0);
}

TEST_F(PluginHostTest, ARestartThatFailsLeavesTheEngineAsItWas) {
  StartHost();
  auto engine = Mount("notes");
  ASSERT_TRUE(engine.ok() && Write(**engine, "kept").ok());
  mounts::MountEntry entry = Entry("notes", "n/");
  entry.plugin_version = "v9.9.9";
  EXPECT_EQ((*engine)->Restart(entry),
            absl::NotFoundError("plugin not found in the catalog: notes version v9.9.9; the mount "
                                "goes on with the process that it had"));
  EXPECT_EQ(Read(**engine)->response->data, R"({"text":"kept"})");
}

TEST_F(PluginHostTest, ARestartEndsTheRequestsThatAPluginHangsOn) {
  StartHost();
  auto engine = Mount("notes");
  ASSERT_TRUE(engine.ok() && Write(**engine, "kept").ok());
  Freeze(Plugins()[0]);
  Answer<mounts::Reply> answer;
  (*engine)->Handle(Request(mounts::Operation::kRead, "notes/a"), answer.Callback());
  host_->RetireProcesses("notes");
  ASSERT_TRUE((*engine)->Restart(Entry("notes", "n/")).ok());
  const absl::StatusOr<mounts::Reply> read = answer.Wait();
  ASSERT_TRUE(read.ok() && read->response) << read.status();
  EXPECT_EQ(read->response->data, R"({"text":"kept"})");
}

mounts::PluginEntry EntryFor(const std::string& name, const std::string& folder) {
  mounts::PluginEntry entry;
  entry.name = name;
  entry.command = name;
  entry.sha256 = *Sha256Of(OpenProgram(folder + "/plugins/" + name)->descriptor);
  return entry;
}

TEST_F(PluginHostTest, ARegisteredProgramThatHasChangedIsNotStartedUntilItIsRegisteredAgain) {
  Script("odd", "exec " BELFRY_BIN "/plugins/belfry-notes");
  StartHost();
  ASSERT_TRUE(host_->Register(EntryFor("odd", folder_)).ok());
  Script("odd", "echo changed >&2; exec " BELFRY_BIN "/plugins/belfry-notes");
  EXPECT_THAT(Sentence("odd"), HasSubstr("checksums did not match"));
  ASSERT_TRUE(host_->Register(EntryFor("odd", folder_)).ok());
  EXPECT_TRUE(Mount("odd").ok());
}

TEST_F(PluginHostTest, AProgramThatWasOnlyFoundIsTakenAsItLiesThere) {
  Script("odd", "exec " BELFRY_BIN "/plugins/belfry-notes");
  StartHost();
  auto engine = Mount("odd");
  ASSERT_TRUE(engine.ok()) << engine.status();
  for (const char* build : {"one", "two"}) {
    Script("odd", std::string("echo ") + build + " >&2; exec " BELFRY_BIN "/plugins/belfry-notes");
    const std::string sha256 = Sha256("odd");
    ASSERT_TRUE((*engine)->Restart(Entry("odd", "n/")).ok());
    EXPECT_EQ((*engine)->RunningSha256(), sha256);
    EXPECT_EQ(host_->Get(mounts::PluginType::kSecret, "odd", "")->sha256, sha256);
  }
  Script("odd", "echo three >&2; exec " BELFRY_BIN "/plugins/belfry-notes");
  kill(Plugins()[0], SIGKILL);
  ASSERT_TRUE(Read(**engine).ok());
  EXPECT_EQ((*engine)->RunningSha256(), Sha256("odd"));
}

TEST_F(PluginHostTest, TheLastLinesOfAPluginThatFailsAreQuotedBoundedAndOnOneLine) {
  Script("wordy",
         "i=0; while [ $i -lt 50 ]; do echo \"line $i\" >&2; i=$((i+1)); done; "
         "printf 'tab\\there\\n' >&2; exit 3");
  StartHost();
  const std::string sentence = Sentence("wordy");
  EXPECT_THAT(sentence, HasSubstr("its standard error ends with: line 46 | line 47 | line 48 | "
                                  "line 49 | tab here"));
  EXPECT_THAT(sentence, ::testing::Not(HasSubstr("line 45")));
}

TEST_F(PluginHostTest, AfterARestartThatFailsTheEngineWritesAsBefore) {
  Script("odd", "exec " BELFRY_BIN "/plugins/belfry-notes");
  StartHost();
  auto engine = Mount("odd");
  ASSERT_TRUE(engine.ok()) << engine.status();
  host_->RetireProcesses("odd");
  Script("odd", "exit 5");
  EXPECT_FALSE((*engine)->Restart(Entry("odd", "n/")).ok());
  ASSERT_TRUE(Write(**engine, "still").ok());
  EXPECT_EQ(Read(**engine)->response->data, R"({"text":"still"})");
}

TEST_F(PluginHostTest, ARegisteredPluginGetsItsArgumentsAndEnvironment) {
  Script("args",
         "[ \"$1 $COLOUR $VAULT_VERSION\" = 'fast blue 1.21.4' ] || exit 5; "
         "exec " BELFRY_BIN "/plugins/belfry-notes");
  StartHost();
  mounts::PluginEntry entry;
  entry.name = "args";
  entry.command = "args";
  entry.sha256 = Sha256("args");
  EXPECT_THAT(std::string(host_->Register(entry).message()), HasSubstr("exited with code 5"));
  entry.args = {"fast"};
  entry.env = {"COLOUR=blue", "VAULT_VERSION=0"};
  EXPECT_TRUE(host_->Register(entry).ok());
  // The plugin has said which version it is.
  EXPECT_EQ(host_->Get(entry.type, "args", ""), std::nullopt);
  EXPECT_EQ(host_->Get(entry.type, "args", "v0.1.0")->args, entry.args);
  EXPECT_TRUE(Mount("args").ok());
  entry.version = "v0.2.0";
  EXPECT_THAT(std::string(host_->Register(entry).message()),
              HasSubstr("reported version v0.1.0, but v0.2.0 was to be registered"));
  host_->Remove(entry.type, "args", "v0.1.0");
  EXPECT_EQ(Mount("args").status(), absl::NotFoundError("plugin not found in the catalog: args"));
}

TEST_F(PluginHostTest, APluginHasNoMoreMemoryAndFilesThanItMay) {
  Script("limited", "[ \"$(ulimit -d) $(ulimit -n)\" = '68719476736 99' ] || exit 5; exit 6");
  // Room for the address space that sanitizers reserve.
  StartHost({.max_plugin_memory_bytes = std::size_t{1} << 46, .max_plugin_open_files = 99});
  EXPECT_THAT(Sentence("limited"), HasSubstr("exited with code 6"));
}

TEST_F(PluginHostTest, HelpComesFromThePlugin) {
  StartHost();
  auto engine = Mount("notes");
  ASSERT_TRUE(engine.ok()) << engine.status();
  const absl::StatusOr<mounts::Reply> help = Ask(**engine, Request(mounts::Operation::kHelp, ""));
  ASSERT_TRUE(help.ok() && help->response) << help.status();
  EXPECT_THAT(help->response->data, HasSubstr("\"help\""));
}

TEST_F(PluginHostTest, ARequestEndsAtItsDeadline) {
  StartHost();
  absl::StatusOr<std::unique_ptr<mounts::Engine>> engine = Mount("notes");
  ASSERT_TRUE(engine.ok()) << engine.status();
  const pid_t plugin = Plugins()[0];
  Freeze(plugin);
  mounts::Request request = Request(mounts::Operation::kRead, "notes/a");
  request.deadline = SteadyTime::Now() + absl::Milliseconds(50);
  const absl::Status late = Ask(**engine, std::move(request)).status();
  EXPECT_EQ(late.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_THAT(
      std::string(late.message()),
      ::testing::MatchesRegex(
          "the plugin \"notes\" of the mount \"n/\" did not answer within .*s; .* an operator "
          "can reload it: PUT sys/plugins/reload/backend ..mounts.:.n/.."));
  kill(plugin, SIGCONT);
}

TEST_F(PluginHostTest, AnEngineThatEndsLeavesNoProcessAndNoSocket) {
  StartHost();
  absl::StatusOr<std::unique_ptr<mounts::Engine>> engine = Mount("notes");
  ASSERT_TRUE(engine.ok()) << engine.status();
  EXPECT_FALSE(std::filesystem::is_empty(folder_ + "/s"));
  engine->reset();
  EXPECT_THAT(Plugins(), SizeIs(0));
  EXPECT_TRUE(std::filesystem::is_empty(folder_ + "/s"));
}

TEST_F(PluginHostTest, AStuckPluginIsKilledWhenItsTimeIsOver) {
  StartHost({.plugin_stop_timeout = absl::Milliseconds(100)});
  absl::StatusOr<std::unique_ptr<mounts::Engine>> engine = Mount("notes");
  ASSERT_TRUE(engine.ok()) << engine.status();
  Freeze(Plugins()[0]);
  engine->reset();
  EXPECT_THAT(Plugins(), SizeIs(0));
}

TEST_F(PluginHostTest, APluginMayFloodItsOutput) {
  Script("noisy",
         "head -c 3000000 /dev/zero | tr '\\0' x >&2; echo "
         "'{\"@level\":1,\"@message\":[]}' >&2; exec " BELFRY_BIN "/plugins/belfry-notes");
  StartHost();
  absl::StatusOr<std::unique_ptr<mounts::Engine>> engine = Mount("noisy");
  ASSERT_TRUE(engine.ok()) << engine.status();
  EXPECT_TRUE(Write(**engine, "hi").ok());
}

TEST_F(PluginHostTest, WhatIsNotThereIsNotFound) {
  StartHost();
  const absl::Status status = Mount("none").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(status.message(), "plugin not found in the catalog: none");
}

TEST_F(PluginHostTest, EachWayNotToStartIsOneSentence) {
  Script("rubbish", "echo hello; exec sleep 600");
  Script("leaver", "exit 3");
  Script("victim", "kill -9 $$");
  Script("empty", "echo; exec sleep 600");
  Script("core", "echo '2|5|unix|/nowhere|grpc|'; exec sleep 600");
  Script("app", "echo '1|4|unix|/nowhere|grpc|'; exec sleep 600");
  Script("bare", "echo '1|5|unix|/nowhere|grpc|'; exec sleep 600");
  Script("udp", "echo '1|5|udp|/nowhere|grpc|'; exec sleep 600");
  Script("junk", "echo '1|5|unix|/nowhere|grpc|" + std::string(80, 'T') + "'; exec sleep 600");
  StartHost();
  EXPECT_EQ(Sentence("leaver"),
            "the plugin \"leaver\" could not be started: it exited with code 3 before its "
            "handshake; what it printed on standard error is in the log");
  EXPECT_EQ(Sentence("victim"),
            "the plugin \"victim\" could not be started: it was ended by signal 9 (Killed) before "
            "its handshake; what it printed on standard error is in the log");
  EXPECT_EQ(Sentence("app"),
            "the plugin \"app\" could not be started: it answered with the protocol version 4, but "
            "only version 5 was offered; rebuild it with a current SDK");
  EXPECT_EQ(Sentence("bare"),
            "the plugin \"bare\" could not be started: its handshake line has no certificate, "
            "although mutual TLS was asked for; rebuild it with a current SDK");
  EXPECT_THAT(Sentence("rubbish"), HasSubstr("\"hello\""));
  EXPECT_THAT(Sentence("empty"), HasSubstr("first line on standard output is empty"));
  EXPECT_THAT(Sentence("core"), HasSubstr("core"));
  EXPECT_THAT(Sentence("udp"), HasSubstr("\"udp\""));
  EXPECT_THAT(Sentence("junk"), HasSubstr("certificate"));
  EXPECT_THAT(Plugins(), SizeIs(0));
}

TEST_F(PluginHostTest, SilenceIsOneSentence) {
  Script("silent", "exec sleep 600");
  StartHost({.plugin_start_timeout = absl::Milliseconds(100)});
  EXPECT_EQ(Sentence("silent"),
            "the plugin \"silent\" could not be started: it printed no handshake line within "
            "100ms; a plugin prints it as soon as it listens");
}

TEST_F(PluginHostTest, AScriptWithoutInterpreterIsExplainedInTheLog) {
  std::ofstream(folder_ + "/plugins/odd") << "#!/no/such/interpreter\n";
  chmod((folder_ + "/plugins/odd").c_str(), 0700);
  StartHost();
  EXPECT_THAT(Sentence("odd"), HasSubstr("exited with code 126"));
  EXPECT_THAT(log_->Lines(), ::testing::Contains(HasSubstr("cannot execute")));
}

// The listener shows another certificate than the one of the handshake line.
TEST_F(PluginHostTest, ALieAboutTheCertificateIsOneSentence) {
  const wire::Certificate shown = *wire::NewCertificate();
  const wire::Certificate told = *wire::NewCertificate();
  const std::string socket = folder_ + "/liar";
  grpc::ServerBuilder builder;
  builder.AddListeningPort("unix:" + socket,
                           wire::ServerCredentials(wire::Trust{
                               .own = shown, .peer_certificate_pem = told.certificate_pem}));
  pb::Backend::Service nothing;
  builder.RegisterService(&nothing);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  ASSERT_NE(server, nullptr);
  Script("liar", "echo '1|5|unix|" + socket + "|grpc|" +
                     wire::EncodeHandshakeCertificate(told.certificate_der) + "'; exec sleep 600");
  StartHost();
  const std::string sentence = Sentence("liar");
  EXPECT_THAT(sentence, HasSubstr("the plugin \"liar\" could not be started: no connection with "
                                  "mutual TLS to " +
                                  socket + " came about"));
  EXPECT_EQ(sentence.find('\n'), std::string::npos);
  server->Shutdown();
}

TEST_F(PluginHostTest, WithoutAGuardThereIsNoHost) {
  EXPECT_EQ(PluginHost::Create({.socket_directory = folder_ + "/s", .guard_program = "/no/guard"},
                               storage_.get(), &clock_, metrics_.get(), Logger())
                .status()
                .code(),
            absl::StatusCode::kUnavailable);
}

}  // namespace
}  // namespace belfry::plugin_host
