#include "sdk/src/plugin_server.h"

#include <unistd.h>

#include <atomic>
#include <barrier>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "grpcpp/generic/generic_stub.h"
#include "gtest/gtest.h"
#include "proto/belfry/v1/backend.grpc.pb.h"
#include "proto/vault/backend.grpc.pb.h"
#include "sdk/src/plugin_log.h"
#include "sdk/src/stop_signal.h"
#include "sdk/src/testing/fake_storage.h"
#include "sdk/src/testing/host_server.h"
#include "sdk/src/testing/scratch_directory.h"

namespace belfry::internal {
namespace {

using ::testing::HasSubstr;

// Requests that are under way together.
constexpr int kAtOnce = 8;

Handler Answering(const char* word) {
  return [word](Request&) -> Result { return Response::Data({{"did", word}}); };
}

// What creates, updates, does either, or cannot tell.
void DefineWrites(Engine& engine) {
  const auto old = [](Request& request) -> absl::StatusOr<bool> {
    return request.path().ends_with("old");
  };
  engine.Path("told/{name}", "Has a handler for each.")
      .OnCreate(Answering("create"))
      .OnUpdate(Answering("update"))
      .ExistsIf(old);
  engine.Path("unsure", "Cannot tell.")
      .OnWrite(Answering("write"))
      .ExistsIf([](Request&) -> absl::StatusOr<bool> {
        return absl::InvalidArgumentError("ask for something else");
      });
  engine.Path("lost", "Finds nothing to tell by.")
      .OnCreate(Answering("create"))
      .OnUpdate(Answering("update"))
      .ExistsIf([](Request&) -> absl::StatusOr<bool> {
        return absl::NotFoundError("the role is missing");
      });
  engine.Path("either", "Need not know.")
      .OnWrite(Answering("write"))
      .Upserts()
      .ExistsIf([](Request&) -> absl::StatusOr<bool> { return absl::InternalError("was asked"); });
}

std::atomic<bool> works_in_background = false;
std::atomic<bool> was_cleaned_up_meanwhile = false;

// Works until it is stopped.
void DefineHooks(Engine& engine) {
  engine.InBackground([](HookContext& context) -> absl::Status {
    works_in_background = true;
    StopSignal stopped;
    const std::stop_callback on_stop(context.stop, [&stopped] { stopped.Request(); });
    stopped.Wait();
    works_in_background = false;
    return absl::CancelledError("stopped");
  });
  engine.OnCleanup([](HookContext&) {
    was_cleaned_up_meanwhile = works_in_background.load();
    return absl::OkStatus();
  });
}

void Define(Engine& engine) {
  DefineWrites(engine);
  DefineHooks(engine);
  engine.Path("kept/{name}", "What storage holds.")
      .OnRead([](Request& request) -> Result {
        const auto value = request.storage().Get(request.path());
        if (!value.ok()) return value.status();
        if (!*value) return Response::NotFound();
        return Response::Data({{"value", **value}});
      })
      .OnWrite([](Request& request) -> Result {
        const absl::Status status = request.storage().Put(request.path(), "x");
        if (!status.ok()) return status;
        return Response::NoContent();
      });
  engine.Path("patience", "How long the host waits.").OnRead([](Request& request) -> Result {
    if (request.deadline() == absl::InfiniteFuture()) return Response::Data({{"seconds", "any"}});
    return Response::Data(
        {{"seconds", absl::ToInt64Seconds(request.deadline() - request.Now() + absl::Seconds(1))}});
  });
  engine.Path("thread", "Who answers, once several are asked.").OnRead([](Request&) -> Result {
    static std::barrier all_are_asked(kAtOnce);
    all_are_asked.arrive_and_wait();
    return Response::Data({{"id", static_cast<std::int64_t>(gettid())}});
  });
  engine.Path("until-cancelled", "Returns when the client has gone.")
      .OnRead([](Request& request) -> Result {
        Mutex mutex;
        CondVar never;
        MutexLock lock(&mutex);
        while (!request.cancelled()) {
          never.WaitUntil(&mutex, std::chrono::steady_clock::now() + std::chrono::milliseconds(5));
        }
        return Response::NoContent();
      });
}

class PluginServerTest : public ::testing::Test {
 protected:
  using Metadata = std::vector<std::pair<std::string, std::string>>;

  struct How {
    bool metadata_mode = false;
    MountsPerProcess mounts = MountsPerProcess::kMany;
  };
  void Start() { Start(How{}); }
  void Start(How how) {
    auto server =
        PluginServer::Start({.plugin = {.name = "test", .version = "v1.2.3", .define = Define},
                             .socket_path = directory_.path() + "/plugin",
                             .metadata_mode = how.metadata_mode,
                             .mounts = how.mounts,
                             .stdio = &stdio_,
                             .log = &log_});
    ASSERT_EQ(server.status(), absl::OkStatus());
    server_ = *std::move(server);
    channel_ = wire::Connect("unix", directory_.path() + "/plugin", std::nullopt);
    backend_ = pb::Backend::NewStub(channel_);
    broker_stream_ = broker_stub()->StartStream(&broker_context_);
  }
  void TearDown() override {
    if (!broker_stream_) return;
    broker_context_.TryCancel();
    broker_stream_->Finish();
    server_->Stop(std::chrono::milliseconds(500));
  }

  std::unique_ptr<plugin::GRPCBroker::Stub> broker_stub() {
    return plugin::GRPCBroker::NewStub(channel_);
  }

  void StartHost() {
    host_.emplace(host_path_, std::nullopt, belfry::testing::HostKind::kBelfry, &storage_,
                  &recorded_);
  }
  void Announce(std::uint32_t id) {
    plugin::ConnInfo info;
    info.set_service_id(id);
    info.set_network("unix");
    info.set_address(host_path_);
    ASSERT_TRUE(broker_stream_->Write(info));
  }
  grpc::Status SetUpMount(std::uint32_t broker_id, const Metadata& metadata) {
    pb::SetupArgs arguments;
    arguments.set_broker_id(broker_id);
    pb::SetupReply reply;
    grpc::ClientContext context;
    for (const auto& [key, value] : metadata) context.AddMetadata(key, value);
    const grpc::Status status = backend_->Setup(&context, arguments, &reply);
    EXPECT_EQ(reply.err(), "");
    return status;
  }
  // A mount whose calls carry `id`.
  void Mount(std::uint32_t broker_id, const std::string& id) {
    Announce(broker_id);
    ASSERT_TRUE(SetUpMount(broker_id, {{"multiplex_id", id}}).ok());
  }
  grpc::Status Type(const Metadata& metadata) {
    grpc::ClientContext context;
    for (const auto& [key, value] : metadata) context.AddMetadata(key, value);
    pb::TypeReply reply;
    const grpc::Status status = backend_->Type(&context, pb::Empty(), &reply);
    EXPECT_TRUE(!status.ok() || reply.type() == 1);
    return status;
  }
  grpc::Status Cleanup(const std::string& id) {
    grpc::ClientContext context;
    context.AddMetadata("multiplex_id", id);
    pb::Empty reply;
    return backend_->Cleanup(&context, pb::Empty(), &reply);
  }
  grpc::Status Request(grpc::ClientContext& context, const std::string& operation,
                       const std::string& path, pb::HandleRequestReply& reply) {
    context.AddMetadata("multiplex_id", "mount0001");
    pb::HandleRequestArgs arguments;
    arguments.mutable_request()->set_operation(operation);
    arguments.mutable_request()->set_path(path);
    arguments.mutable_request()->set_data("null");
    return backend_->HandleRequest(&context, arguments, &reply);
  }

  // belfry.v1.Backend/Write, as text: what was done, or the error of the existence check.
  std::string Write(const std::string& path, const std::string& operation = "update") {
    grpc::ClientContext context;
    context.AddMetadata("multiplex_id", "mount0001");
    pb::HandleRequestArgs arguments;
    arguments.mutable_request()->set_operation(operation);
    arguments.mutable_request()->set_path(path);
    arguments.mutable_request()->set_data("{}");
    v1::WriteReply reply;
    const grpc::Status status = v1::Backend::NewStub(channel_)->Write(&context, arguments, &reply);
    if (!status.ok()) return status.error_message();
    if (reply.has_existence_error()) {
      EXPECT_FALSE(reply.has_reply());
      return "not told: " + reply.existence_error().err_msg();
    }
    return reply.reply().has_err() ? reply.reply().err().err_msg()
                                   : reply.reply().response().data();
  }

  const belfry::testing::ScratchDirectory directory_;
  const std::string host_path_ = directory_.path() + "/host";
  belfry::testing::InMemoryFakeStorage storage_;
  belfry::testing::RecordedEvents recorded_;
  std::optional<belfry::testing::HostServer> host_;
  StdioBuffer stdio_;
  const PluginLog log_{2};
  std::unique_ptr<PluginServer> server_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<pb::Backend::Stub> backend_;
  grpc::ClientContext broker_context_;
  std::unique_ptr<grpc::ClientReaderWriter<plugin::ConnInfo, plugin::ConnInfo>> broker_stream_;
};

grpc::ByteBuffer BytesOf(const std::string& text) {
  const grpc::Slice slice(text);
  return grpc::ByteBuffer(&slice, 1);
}

std::string TextOf(const grpc::ByteBuffer& bytes) {
  std::vector<grpc::Slice> slices;
  std::string text;
  if (!bytes.Dump(&slices).ok()) return text;
  for (const grpc::Slice& slice : slices) {
    text.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  }
  return text;
}

// Whether the one thing that was asked of the queue has been done.
bool Next(grpc::CompletionQueue& queue) {
  void* tag = nullptr;
  bool ok = false;
  return queue.Next(&tag, &ok) && ok;
}

void ExpectUnknown(const grpc::Status& status, const std::string& message) {
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNKNOWN);
  EXPECT_EQ(status.error_message(), message);
}

TEST_F(PluginServerTest, ACallMustNameExactlyOneMountThatExists) {
  Start();
  Mount(1, "mount0001");
  EXPECT_TRUE(Type({{"multiplex_id", "mount0001"}}).ok());
  ExpectUnknown(Type({{"multiplex_id", "other"}}), "no backend instance found");
  ExpectUnknown(Type({{"multiplex_id", ""}}), "empty multiplex ID in metadata");
  ExpectUnknown(Type({{"multiplex_id", "a"}, {"multiplex_id", "b"}}),
                "unexpected number of IDs in metadata: (2)");
  EXPECT_THAT(Type({}).error_message(),
              ::testing::AnyOf("no multiplexing ID found", "missing plugin multiplexing metadata"));
}

TEST_F(PluginServerTest, CleanupEndsItsMountOnly) {
  Start();
  Mount(1, "mount0001");
  Mount(2, "mount0002");
  EXPECT_TRUE(Cleanup("mount0001").ok());
  ExpectUnknown(Cleanup("mount0001"), "no backend instance found");
  ExpectUnknown(Type({{"multiplex_id", "mount0001"}}), "no backend instance found");
  EXPECT_TRUE(Type({{"multiplex_id", "mount0002"}}).ok());
}

// As at registration: empty options, and nobody listens where the storage should be.
TEST_F(PluginServerTest, SetupNeedsNeitherOptionsNorStorage) {
  Start();
  Mount(1, "mount0001");
  grpc::ClientContext context;
  context.AddMetadata("multiplex_id", "mount0001");
  logical::VersionReply version;
  EXPECT_TRUE(logical::PluginVersion::NewStub(channel_)
                  ->Version(&context, logical::Empty(), &version)
                  .ok());
  EXPECT_EQ(version.plugin_version(), "v1.2.3");
  grpc::ClientContext call;
  pb::HandleRequestReply reply;
  ASSERT_TRUE(Request(call, "read", "kept/a", reply).ok());
  EXPECT_EQ(reply.err().err_type(), 3u);
  EXPECT_EQ(reply.err().err_code(), 503);
}

TEST_F(PluginServerTest, AStorageThatIsReadOnlyAnswersWithTheHostsWords) {
  Start();
  StartHost();
  storage_.ReadOnly();
  Mount(1, "mount0001");
  grpc::ClientContext context;
  pb::HandleRequestReply reply;
  ASSERT_TRUE(Request(context, "update", "kept/a", reply).ok());
  EXPECT_EQ(reply.err().err_code(), 412);
  EXPECT_THAT(reply.err().err_msg(), HasSubstr("cannot write to readonly storage"));
}

TEST_F(PluginServerTest, MetadataModeRefusesWhatActs) {
  Start({.metadata_mode = true});
  Mount(1, "mount0001");
  const std::string refusal = "plugin server can not perform action while in metadata mode";
  grpc::ClientContext contexts[4];
  pb::HandleRequestReply reply;
  ExpectUnknown(Request(contexts[0], "read", "kept/a", reply), refusal);
  pb::InitializeReply initialized;
  ExpectUnknown(backend_->Initialize(&contexts[1], {}, &initialized), refusal);
  pb::HandleExistenceCheckReply exists;
  ExpectUnknown(backend_->HandleExistenceCheck(&contexts[2], {}, &exists), refusal);
  pb::Empty empty;
  ExpectUnknown(backend_->InvalidateKey(&contexts[3], {}, &empty), refusal);
  EXPECT_TRUE(Type({{"multiplex_id", "mount0001"}}).ok());
  EXPECT_TRUE(Cleanup("mount0001").ok());
}

// Protocol versions 3 and 4.
TEST_F(PluginServerTest, WithOneMountInTheProcessCallsNeedNotNameIt) {
  Start({.mounts = MountsPerProcess::kOne});
  grpc::ClientContext context;
  pluginutil::multiplexing::MultiplexingSupportResponse support;
  ASSERT_TRUE(pluginutil::multiplexing::PluginMultiplexing::NewStub(channel_)
                  ->MultiplexingSupport(&context, {}, &support)
                  .ok());
  EXPECT_FALSE(support.supported());
  ExpectUnknown(Type({}), "no backend instance found");
  Announce(1);
  ASSERT_TRUE(SetUpMount(1, {}).ok());
  EXPECT_TRUE(Type({}).ok());
  EXPECT_TRUE(Type({{"multiplex_id", "anything"}}).ok());
}

TEST_F(PluginServerTest, ReflectionNamesItsServices) {
  Start();
  // The reflection service's messages are not installed with gRPC: this is a request for the list
  // of services ({list_services: ""}, field 7), and the answer is searched for a name.
  grpc::ByteBuffer request = BytesOf(std::string("\x3a\x00", 2));
  grpc::GenericStub stub(channel_);
  grpc::CompletionQueue queue;
  grpc::ClientContext context;
  const auto call = stub.PrepareCall(
      &context, "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", &queue);
  grpc::ByteBuffer answer;
  grpc::Status status;
  call->StartCall(this);
  ASSERT_TRUE(Next(queue));
  call->Write(request, this);
  ASSERT_TRUE(Next(queue));
  call->Read(&answer, this);
  ASSERT_TRUE(Next(queue));
  EXPECT_THAT(TextOf(answer), HasSubstr("pb.Backend"));
  context.TryCancel();
  call->Finish(&status, this);
  ASSERT_TRUE(Next(queue));
}

TEST_F(PluginServerTest, HealthKnowsThePluginAndNothingElse) {
  Start();
  const auto health = grpc::health::v1::Health::NewStub(channel_);
  for (const auto& [service, code] : std::map<std::string, grpc::StatusCode>{
           {"plugin", grpc::StatusCode::OK}, {"other", grpc::StatusCode::NOT_FOUND}}) {
    grpc::ClientContext context;
    grpc::health::v1::HealthCheckRequest request;
    request.set_service(service);
    grpc::health::v1::HealthCheckResponse response;
    EXPECT_EQ(health->Check(&context, request, &response).error_code(), code) << service;
  }
}

TEST_F(PluginServerTest, AHandlerKnowsHowLongItsHostWaits) {
  Start();
  Mount(1, "mount0001");
  grpc::ClientContext patient, hurried;
  pb::HandleRequestReply reply;
  ASSERT_TRUE(Request(patient, "read", "patience", reply).ok());
  EXPECT_EQ(reply.response().data(), R"({"seconds":"any"})");
  hurried.set_deadline(std::chrono::system_clock::now() + std::chrono::hours(1));
  ASSERT_TRUE(Request(hurried, "read", "patience", reply).ok());
  EXPECT_THAT(reply.response().data(), ::testing::MatchesRegex(R"(\{"seconds":3[56]..\})"));
}

TEST_F(PluginServerTest, AClientThatGoesAwayIsSeenByTheHandler) {
  Start();
  Mount(1, "mount0001");
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(100));
  pb::HandleRequestReply reply;
  EXPECT_EQ(Request(context, "read", "until-cancelled", reply).error_code(),
            grpc::StatusCode::DEADLINE_EXCEEDED);
  // Stop waits for the handler, which only cancellation ends.
}

TEST_F(PluginServerTest, AWriteFindsOutWhatItIsWhereAHandlerMustKnow) {
  Start();
  EXPECT_EQ(Write("told/old"), "no backend instance found");
  Mount(1, "mount0001");
  EXPECT_EQ(Write("told/new"), R"({"did":"create"})");
  EXPECT_EQ(Write("told/old"), R"({"did":"update"})");
  EXPECT_EQ(Write("either"), R"({"did":"write"})");
  EXPECT_EQ(Write("lost"), R"({"did":"update"})");
  EXPECT_EQ(Write("unsure"), "not told: ask for something else");
  EXPECT_EQ(Write("nowhere"), "unsupported path");
  EXPECT_EQ(Write("told/old", "delete"), "a write is an update");
}

TEST_F(PluginServerTest, WorkInTheBackgroundHasEndedWhenAMountIsCleanedUp) {
  Start();
  Mount(1, "mount0001");
  grpc::ClientContext context;
  context.AddMetadata("multiplex_id", "mount0001");
  pb::InitializeReply reply;
  ASSERT_TRUE(backend_->Initialize(&context, {}, &reply).ok());
  while (!works_in_background) std::this_thread::yield();
  was_cleaned_up_meanwhile = true;
  server_->Stop(std::chrono::milliseconds(500));
  EXPECT_FALSE(was_cleaned_up_meanwhile);
}

TEST_F(PluginServerTest, ThreadsStayForTheNextRequest) {
  Start();
  Mount(1, "mount0001");
  std::vector<std::set<std::string>> answering(kAtOnce);
  std::vector<std::thread> clients;
  for (std::set<std::string>& threads : answering) {
    clients.emplace_back([this, &threads] {
      for (int i = 0; i < 20; ++i) {
        grpc::ClientContext context;
        pb::HandleRequestReply reply;
        ASSERT_TRUE(Request(context, "read", "thread", reply).ok());
        threads.insert(reply.response().data());
      }
    });
  }
  for (std::thread& client : clients) client.join();
  std::set<std::string> all;
  for (std::set<std::string>& threads : answering) all.merge(threads);
  // Those who were needed at once, and a few who came to listen meanwhile.
  EXPECT_LE(all.size(), kAtOnce * 3u);
}

TEST_F(PluginServerTest, WhatThePluginPrintsStreamsToTheHost) {
  Start();
  stdio_.Append("hello");
  grpc::ClientContext context;
  const auto stream =
      plugin::GRPCStdio::NewStub(channel_)->StreamStdio(&context, google::protobuf::Empty());
  plugin::StdioData data;
  ASSERT_TRUE(stream->Read(&data));
  EXPECT_EQ(data.channel(), plugin::StdioData::STDOUT);
  EXPECT_EQ(data.data(), "hello");
  context.TryCancel();
  stream->Finish();
}

TEST_F(PluginServerTest, ShutdownIsAnsweredAndEndsTheLongStreams) {
  Start();
  grpc::ClientContext context;
  plugin::Empty reply;
  EXPECT_TRUE(
      plugin::GRPCController::NewStub(channel_)->Shutdown(&context, plugin::Empty(), &reply).ok());
  server_->WaitForStop();
  const auto begin = std::chrono::steady_clock::now();
  server_->Stop(std::chrono::seconds(10));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(5));
}

TEST_F(PluginServerTest, AHostThatGoesWithoutAWordStopsThePlugin) {
  Start();
  Mount(1, "mount0001");
  server_->HostMayHaveLeft();  // Not while its stream is open.
  EXPECT_TRUE(Type({{"multiplex_id", "mount0001"}}).ok());
  broker_context_.TryCancel();
  server_->WaitForStop();
  const auto begin = std::chrono::steady_clock::now();
  server_->Stop(std::chrono::seconds(10));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(5));
}

}  // namespace
}  // namespace belfry::internal
