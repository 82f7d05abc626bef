// What becomes of requests and mounts when a plugin dies, or is restarted.
#include "server/plugin_host/plugin_host_fixture.h"

namespace belfry::plugin_host {
namespace {

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

TEST_F(PluginHostTest, ARebuiltProgramThatDoesNotStartIsStartedLessAndLessOften) {
  Script("odd", "exec " BELFRY_BIN "/plugins/belfry-notes");
  StartHost();
  auto engine = Mount("odd");
  ASSERT_TRUE(engine.ok()) << engine.status();
  Script("odd", "echo started >> " + folder_ + "/starts; exit 1");
  kill(Plugins()[0], SIGKILL);
  for (int i = 0; i < 20; ++i) EXPECT_FALSE(Read(**engine).ok());
  std::ifstream starts(folder_ + "/starts");
  EXPECT_EQ(std::count(std::istreambuf_iterator<char>(starts), {}, '\n'), 3);
  EXPECT_EQ(OnlyProcesses().fruitless_restarts, 3);
  EXPECT_EQ(TimesLogged("took a program that has been rebuilt"), 1);
  EXPECT_THAT(std::string((*engine)->Restart(Entry("odd", "n/")).message()),
              HasSubstr("; the mount has no process now, and its next request starts one"));
  // Another program has not failed yet.
  Script("odd", "echo mended >&2; exec " BELFRY_BIN "/plugins/belfry-notes");
  EXPECT_TRUE(Read(**engine).ok());
  EXPECT_EQ(OnlyProcesses().fruitless_restarts, 0);
  EXPECT_EQ(TimesLogged("took a program that has been rebuilt"), 2);
}

TEST_F(PluginHostTest, ARequestThatAHangingPluginDoesNotAnswerIsLogged) {
  StartHost();
  auto engine = Mount("notes");
  ASSERT_TRUE(engine.ok()) << engine.status();
  Freeze(Plugins()[0]);
  mounts::Request request = Request(mounts::Operation::kRead, "notes/a");
  request.deadline = SteadyTime::Now() + absl::Milliseconds(50);
  EXPECT_EQ(Ask(**engine, std::move(request)).status().code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(TimesLogged("the plugin did not answer a request in time: plugin=notes mount=n/"), 1);
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

}  // namespace
}  // namespace belfry::plugin_host
