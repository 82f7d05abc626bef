// The real binaries, as a host starts them.
#include "belfry/serve.h"

#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "proto/vault/backend.grpc.pb.h"
#include "proto/vault/grpc_broker.grpc.pb.h"
#include "proto/vault/grpc_controller.grpc.pb.h"
#include "proto/vault/grpc_stdio.grpc.pb.h"
#include "proto/vault/health.grpc.pb.h"
#include "sdk/src/testing/plugin_process.h"
#include "sdk/src/testing/scratch_directory.h"
#include "sdk/wire/certificate.h"
#include "sdk/wire/credentials.h"
#include "sdk/wire/handshake.h"

namespace belfry {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using Clock = std::chrono::steady_clock;

const char kCookie[] = "VAULT_BACKEND_PLUGIN=6669da05-b1c8-4f49-97d9-c8e5bed98e20";
const char kNotes[] = BELFRY_NOTES;
const char kAwkward[] = BELFRY_AWKWARD;

class ServeTest : public ::testing::Test {
 protected:
  using Variables = std::vector<std::string>;

  void Start(const Variables& more = {}, const char* binary = kNotes) {
    // Of two entries with one name, programs see the first.
    Variables variables = more;
    variables.insert(variables.end(),
                     {kCookie, "PLUGIN_PROTOCOL_VERSIONS=5", "TMPDIR=" + directory_.path()});
    process_.emplace(binary, variables);
    line_ = process_->ReadLine();
  }
  // As a host that wants AutoMTLS: connected, with both long streams open.
  void StartAndConnect(const char* binary) {
    const wire::Certificate own = *wire::NewCertificate();
    Start({"PLUGIN_CLIENT_CERT=" + own.certificate_pem}, binary);
    const absl::StatusOr<wire::Handshake> handshake = wire::ParseHandshake(line_);
    ASSERT_EQ(handshake.status(), absl::OkStatus());
    Connect(*handshake, wire::Trust{own, handshake->certificate_pem});
  }
  void Connect(const wire::Handshake& handshake, const std::optional<wire::Trust>& trust) {
    channel_ = wire::Connect(handshake.network, handshake.address, trust);
    backend_ = pb::Backend::NewStub(channel_);
    stdio_ = plugin::GRPCStdio::NewStub(channel_)->StreamStdio(&stdio_context_,
                                                               google::protobuf::Empty());
    broker_ = plugin::GRPCBroker::NewStub(channel_)->StartStream(&broker_context_);
  }
  void Mount() {
    plugin::ConnInfo info;
    info.set_service_id(1);
    info.set_network("unix");
    info.set_address(directory_.path() + "/nobody");
    ASSERT_TRUE(broker_->Write(info));
    grpc::ClientContext context;
    context.AddMetadata("multiplex_id", "mount0001");
    pb::SetupArgs arguments;
    arguments.set_broker_id(1);
    pb::SetupReply reply;
    ASSERT_TRUE(backend_->Setup(&context, arguments, &reply).ok());
    ASSERT_EQ(reply.err(), "");
  }
  grpc::Status Read(const std::string& path, std::chrono::milliseconds limit) {
    grpc::ClientContext context;
    context.AddMetadata("multiplex_id", "mount0001");
    context.set_deadline(std::chrono::system_clock::now() + limit);
    pb::HandleRequestArgs arguments;
    arguments.mutable_request()->set_operation("read");
    arguments.mutable_request()->set_path(path);
    arguments.mutable_request()->set_data("null");
    pb::HandleRequestReply reply;
    return backend_->HandleRequest(&context, arguments, &reply);
  }
  grpc::Status Shutdown() {
    grpc::ClientContext context;
    plugin::Empty reply;
    return plugin::GRPCController::NewStub(channel_)->Shutdown(&context, plugin::Empty(), &reply);
  }
  bool IsHealthy() {
    grpc::ClientContext context;
    grpc::health::v1::HealthCheckRequest request;
    request.set_service("plugin");
    grpc::health::v1::HealthCheckResponse response;
    return grpc::health::v1::Health::NewStub(channel_)->Check(&context, request, &response).ok();
  }
  void TearDown() override {
    if (broker_) {
      broker_context_.TryCancel();
      broker_->Finish();
      stdio_context_.TryCancel();
      stdio_->Finish();
    }
  }
  bool HasSocketFile() const { return !std::filesystem::is_empty(directory_.path()); }

  const testing::ScratchDirectory directory_;
  std::optional<testing::PluginProcess> process_;
  std::string line_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<pb::Backend::Stub> backend_;
  grpc::ClientContext stdio_context_, broker_context_;
  std::unique_ptr<grpc::ClientReader<plugin::StdioData>> stdio_;
  std::unique_ptr<grpc::ClientReaderWriter<plugin::ConnInfo, plugin::ConnInfo>> broker_;
};

TEST_F(ServeTest, RunByHandItSaysThatItIsAPlugin) {
  for (const Variables& variables :
       {Variables{}, Variables{"VAULT_BACKEND_PLUGIN=wrong"},
        Variables{"VAULT_DATABASE_PLUGIN=926a0820-aea2-be28-51d6-83cdf00e8edb"}}) {
    testing::PluginProcess process(kNotes, variables);
    EXPECT_EQ(process.ReadOutput(), "");
    EXPECT_THAT(process.ReadErrors(), HasSubstr("This is a plugin"));
    EXPECT_EQ(process.Wait(), 1);
  }
}

TEST_F(ServeTest, AnUnknownFlagIsExplainedAndVaultsAreAccepted) {
  testing::PluginProcess refused(kNotes, {kCookie}, {"-verbose"});
  EXPECT_EQ(refused.ReadOutput(), "");
  EXPECT_THAT(refused.ReadErrors(), HasSubstr("-verbose"));
  EXPECT_EQ(refused.Wait(), 1);
  testing::PluginProcess accepted(kNotes, {kCookie, "TMPDIR=" + directory_.path()},
                                  {"-ca-cert=x", "-tls-skip-verify"});
  EXPECT_THAT(accepted.ReadLine(), HasSubstr("|grpc|"));
}

// The table of conformance case A2. (plugin-protocol 11)
TEST_F(ServeTest, TheHighestVersionOfferedIsTakenElseTheLowestIsAnswered) {
  const std::pair<const char*, const char*> cases[] = {{"5", "5"}, {"3,4", "4"}, {"4,5,3", "5"},
                                                       {"9", "3"}, {"", "3"},    {"junk", "3"}};
  for (const auto& [offer, answer] : cases) {
    Start({std::string("PLUGIN_PROTOCOL_VERSIONS=") + offer});
    EXPECT_THAT(line_, ::testing::StartsWith(std::string("1|") + answer + "|unix|")) << offer;
  }
}

TEST_F(ServeTest, AHostOfOldThatWrapsTheKeyIsRefusedInOneClearLogLine) {
  testing::PluginProcess process(kNotes, {kCookie, "PLUGIN_PROTOCOL_VERSIONS=3,4",
                                          "VAULT_UNWRAP_TOKEN=jwt", "TMPDIR=" + directory_.path()});
  EXPECT_EQ(process.ReadOutput(), "");
  EXPECT_THAT(process.ReadErrors(), HasSubstr("use a host that speaks protocol version 5"));
  EXPECT_EQ(process.Wait(), 1);
}

// As the older versions do when a plugin is registered. (plugin-protocol 4.1)
TEST_F(ServeTest, MetadataModeServesWithoutTlsWhatDescribesThePlugin) {
  Start({"PLUGIN_PROTOCOL_VERSIONS=3,4", "VAULT_PLUGIN_METADATA_MODE=true"});
  Connect(*wire::ParseHandshake(line_), std::nullopt);
  Mount();
  EXPECT_EQ(Read("notes/a", std::chrono::seconds(60)).error_message(),
            "plugin server can not perform action while in metadata mode");
  EXPECT_TRUE(Shutdown().ok());
  EXPECT_EQ(process_->Wait(), 0);
}

TEST_F(ServeTest, TheHandshakeIsByteForByteWhatGoPluginWrites) {
  Start();
  EXPECT_THAT(line_,
              MatchesRegex("1\\|5\\|unix\\|" + directory_.path() + "/plugin[0-9]+\\|grpc\\|\n"));
  Start({"PLUGIN_MULTIPLEX_GRPC=true"});
  EXPECT_THAT(line_, MatchesRegex(".*\\|grpc\\|\\|false\n"));
  Start({"PLUGIN_CLIENT_CERT=" + wire::NewCertificate()->certificate_pem});
  EXPECT_THAT(line_, MatchesRegex(".*\\|grpc\\|[A-Za-z0-9+/]+\n"));
}

TEST_F(ServeTest, TheSocketGoesWhereTheHostSaysAndToItsGroup) {
  const testing::ScratchDirectory sockets;
  Start({"PLUGIN_UNIX_SOCKET_DIR=" + sockets.path(),
         "PLUGIN_UNIX_SOCKET_GROUP=" + std::to_string(::getgid())});
  const std::string path = wire::ParseHandshake(line_)->address;
  EXPECT_THAT(path, ::testing::StartsWith(sockets.path() + "/plugin"));
  struct stat info;
  ASSERT_EQ(::stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0660u);
  EXPECT_EQ(info.st_gid, ::getgid());
}

TEST_F(ServeTest, ADirectoryThatIsMissingIsOneClearLogLine) {
  testing::PluginProcess process(kNotes, {kCookie, "TMPDIR=/nonexistent"});
  EXPECT_EQ(process.ReadOutput(), "");
  EXPECT_THAT(process.ReadErrors(),
              MatchesRegex("\\{\"@level\":\"error\",.*\"error\":\"there is no directory "
                           "/nonexistent to listen in; set TMPDIR\"\\}\n"));
  EXPECT_EQ(process.Wait(), 1);
}

// The sentences are for both who register a plugin and who run it by hand.
TEST_F(ServeTest, WhatIsDescribedWronglyIsNotServedAndBothPlacesAreNamed) {
  const std::string said =
      "the plugin is described wrongly: path \\\\*\"stuck\\\\*\" "
      "\\(awkward_plugin.cc:[0-9]+\\) has no handler: call OnRead, OnWrite or another; "
      "path \\\\*\"stuck\\\\*\" \\(awkward_plugin.cc:[0-9]+\\) is described already by "
      "path \\\\*\"stuck\\\\*\" \\(awkward_plugin.cc:[0-9]+\\)";
  testing::PluginProcess served(kAwkward,
                                {kCookie, "AWKWARD_TWICE=1", "TMPDIR=" + directory_.path()});
  EXPECT_EQ(served.ReadOutput(), "");
  EXPECT_THAT(served.ReadErrors(),
              MatchesRegex("\\{\"@level\":\"error\",.*\"error\":\"" + said + "\"\\}\n"));
  EXPECT_EQ(served.Wait(), 1);
  EXPECT_FALSE(HasSocketFile());
  testing::PluginProcess by_hand(kAwkward, {"AWKWARD_TWICE=1"});
  EXPECT_THAT(by_hand.ReadErrors(), MatchesRegex(said + "\nThis is a plugin(.|\n)*"));
  EXPECT_EQ(by_hand.Wait(), 1);
}

TEST_F(ServeTest, ShutdownWithOpenStreamsEndsItInTimeAndRemovesTheSocket) {
  StartAndConnect(kNotes);
  Mount();
  EXPECT_TRUE(HasSocketFile());
  const auto begin = Clock::now();
  EXPECT_TRUE(Shutdown().ok());
  EXPECT_EQ(process_->Wait(), 0);
  EXPECT_LT(Clock::now() - begin, std::chrono::seconds(2));
  EXPECT_FALSE(HasSocketFile());
}

TEST_F(ServeTest, AHandlerThatNeverReturnsDoesNotDelayTheEnd) {
  StartAndConnect(kAwkward);
  Mount();
  EXPECT_EQ(Read("stuck", std::chrono::milliseconds(200)).error_code(),
            grpc::StatusCode::DEADLINE_EXCEEDED);
  const auto begin = Clock::now();
  EXPECT_TRUE(Shutdown().ok());
  EXPECT_EQ(process_->Wait(), 0);
  EXPECT_LT(Clock::now() - begin, std::chrono::seconds(2));
  EXPECT_FALSE(HasSocketFile());
}

TEST_F(ServeTest, AnInterruptIsIgnored) {
  StartAndConnect(kNotes);
  ASSERT_TRUE(IsHealthy());
  ::kill(process_->id(), SIGINT);
  EXPECT_TRUE(IsHealthy());
  EXPECT_TRUE(Shutdown().ok());
  EXPECT_EQ(process_->Wait(), 0);
}

TEST_F(ServeTest, PrintingReachesTheHostByTheStreamOnlyAndNeverBlocks) {
  StartAndConnect(kAwkward);
  Mount();
  plugin::StdioData data;
  ASSERT_TRUE(stdio_->Read(&data));
  // Once when it is checked, once for the mount.
  EXPECT_THAT(data.data(), ::testing::StartsWith("described\n"));
  // Nobody reads the megabyte.
  EXPECT_TRUE(Read("print", std::chrono::seconds(60)).ok());
  EXPECT_TRUE(Shutdown().ok());
  EXPECT_EQ(process_->ReadOutput(), "");
  EXPECT_EQ(process_->Wait(), 0);
}

TEST_F(ServeTest, AHostThatDiesTakesItsPluginAlong) {
  StartAndConnect(kNotes);
  Mount();
  broker_context_.TryCancel();
  EXPECT_EQ(process_->Wait(), 0);
  EXPECT_FALSE(HasSocketFile());
}

TEST_F(ServeTest, AHostThatDiesBeforeItConnectsDoesToo) {
  Start();
  process_->CloseOutput();
  EXPECT_EQ(process_->Wait(), 0);
  EXPECT_FALSE(HasSocketFile());
}

TEST_F(ServeTest, StrangersAreRefused) {
  StartAndConnect(kNotes);
  ASSERT_TRUE(IsHealthy());
  const wire::Handshake handshake = *wire::ParseHandshake(line_);
  channel_ = wire::Connect("unix", handshake.address,
                           wire::Trust{*wire::NewCertificate(), handshake.certificate_pem});
  EXPECT_FALSE(IsHealthy());
}

}  // namespace
}  // namespace belfry
