// The room with real processes: the notes plugin as users get it, and scripts that misbehave.
#include "grpc/grpc.h"
#include "server/plugin_host/plugin_host_fixture.h"

namespace belfry::plugin_host {
namespace {

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

TEST_F(PluginHostTest, GrpcGoesOnWithoutAPluginUntilTheHostGoes) {
  StartHost();
  {
    const auto notes = Mount("notes", "n/");
    ASSERT_TRUE(notes.ok());
  }
  EXPECT_TRUE(Eventually([this] { return host_->Processes().empty(); }));
  EXPECT_NE(grpc_is_initialized(), 0);
  host_.reset();
  EXPECT_TRUE(Eventually([] { return grpc_is_initialized() == 0; }));
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

}  // namespace
}  // namespace belfry::plugin_host
