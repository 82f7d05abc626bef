// How plugins start, and each way not to.
#include "server/plugin_host/plugin_host_fixture.h"

namespace belfry::plugin_host {
namespace {

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

TEST_F(PluginHostTest, WhatWasRegisteredIsKnownToTheNextHostUntilItIsRemoved) {
  Script("odd", "exec " BELFRY_BIN "/plugins/belfry-notes");
  StartHost();
  ASSERT_TRUE(host_->Register(EntryFor("odd", folder_)).ok());
  const mounts::PluginEntry registered = *host_->Resolve("odd", "");
  EXPECT_NE(registered.version, "");
  host_.reset();
  StartHost();
  // Not the program that was found in the folder, which has no version.
  EXPECT_EQ(*host_->Resolve("odd", ""), registered);
  EXPECT_TRUE(Mount("odd").ok());
  ASSERT_TRUE(host_->Remove(registered.type, registered.name, registered.version).ok());
  EXPECT_TRUE(absl::IsNotFound(host_->Resolve("odd", "").status()));
  host_.reset();
  StartHost();
  EXPECT_EQ(host_->Resolve("odd", "")->version, "");
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
  ASSERT_TRUE(host_->Remove(entry.type, "args", "v0.1.0").ok());
  EXPECT_THAT(
      std::string(Mount("args").status().message()),
      HasSubstr("plugin not found in the catalog: args; " + folder_ + "/plugins/args has "));
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
