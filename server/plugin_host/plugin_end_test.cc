// How plugins end, and what is told of it.
#include "server/plugin_host/plugin_host_fixture.h"

namespace belfry::plugin_host {
namespace {

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
  EXPECT_EQ(TimesLogged("attempt=1 next_attempt_after=0s"), 1);
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

// Two at a time: nothing that waits is lost.
TEST_F(PluginHostTest, LargeRequestsTakeTurnsOnTheWayToThePlugin) {
  StartHost({.large_plugin_request_bytes = 1000, .max_large_bytes_under_way_per_mount = 3000});
  auto engine = Mount("notes");
  ASSERT_TRUE(engine.ok()) << engine.status();
  const pid_t plugin = Plugins()[0];
  Freeze(plugin);
  std::deque<Answer<mounts::Reply>> answers(8);
  for (Answer<mounts::Reply>& answer : answers) {
    (*engine)->Write(Request(mounts::Operation::kUpdate, "notes/a",
                             Concat({R"({"text":")", std::string(1200, 'x'), "\"}"})),
                     answer.Callback());
  }
  kill(plugin, SIGCONT);
  for (Answer<mounts::Reply>& answer : answers) EXPECT_TRUE(answer.Wait().ok());
}

TEST_F(PluginHostTest, WhatWaitsForItsTurnEndsAtOnceWhenTheMountIsDisabled) {
  StartHost({.large_plugin_request_bytes = 1000, .max_large_bytes_under_way_per_mount = 3000});
  auto engine = Mount("notes");
  ASSERT_TRUE(engine.ok() && Write(**engine, std::string(1200, 'x')).ok());
  Freeze(Plugins()[0]);
  std::deque<Answer<mounts::Reply>> answers(4);
  for (Answer<mounts::Reply>& answer : answers)
    (*engine)->Handle(Request(mounts::Operation::kRead, "notes/a"), answer.Callback());
  (*engine)->NoteDisabling(true);
  for (const std::size_t waited : {2, 3}) {
    const absl::Status ended = answers[waited].FailureSoFar();
    EXPECT_TRUE(absl::IsAborted(ended)) << ended;
    EXPECT_THAT(std::string(ended.message()), HasSubstr("was not sent"));
  }
  (*engine)->KillIfSilent();
  for (const std::size_t sent : {0, 1}) (void)answers[sent].Wait();
}

// Waiting for other large requests, and for a restart.
TEST_F(PluginHostTest, WhatHasWaitedIsAskedAgainWhetherItIsAllowed) {
  StartHost({.large_plugin_request_bytes = 1000, .max_large_bytes_under_way_per_mount = 1000});
  auto engine = Mount("notes");
  ASSERT_TRUE(engine.ok() && Write(**engine, std::string(1200, 'x')).ok());
  Freeze(Plugins()[0]);
  std::deque<Answer<mounts::Reply>> answers(3);
  std::vector<std::string> asked;
  for (Answer<mounts::Reply>& answer : answers) {
    const bool allowed = &answer != &answers.back();
    mounts::Request request = Request(mounts::Operation::kRead, "notes/a", R"({"a":1})");
    request.still_allowed = [&asked, allowed](std::string_view data) {
      asked.emplace_back(data);
      return allowed;
    };
    (*engine)->Handle(std::move(request), answer.Callback());
  }
  const SteadyTime begin = SteadyTime::Now();
  ASSERT_TRUE(Eventually([&] { return SteadyTime::Now() - begin > absl::Milliseconds(1); }));
  kill(Plugins()[0], SIGCONT);
  EXPECT_TRUE(answers[0].Wait().ok());
  EXPECT_TRUE(answers[1].Wait().ok());
  EXPECT_TRUE(absl::IsPermissionDenied(answers[2].Wait().status()));
  EXPECT_THAT(asked, ElementsAre(R"({"a":1})", R"({"a":1})"));
}

}  // namespace
}  // namespace belfry::plugin_host
