#include "sdk/src/event_stream.h"

#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "grpcpp/server_builder.h"
#include "gtest/gtest.h"
#include "sdk/src/mount_events.h"
#include "sdk/src/storage_client.h"
#include "sdk/src/testing/fake_storage.h"
#include "sdk/src/testing/host_server.h"
#include "sdk/src/testing/scratch_directory.h"
#include "sdk/wire/credentials.h"

namespace belfry::internal {
namespace {

using ::belfry::testing::EventServices;
using ::belfry::testing::HostServer;
using ::testing::ElementsAre;
using ::testing::Pair;

class EventStreamTest : public ::testing::TestWithParam<EventServices> {
 protected:
  void StartHost() { host_.emplace(path_, std::nullopt, GetParam(), &storage_, &recorded_); }

  const belfry::testing::ScratchDirectory directory_;
  const std::string path_ = directory_.path() + "/host";
  belfry::testing::InMemoryFakeStorage storage_;
  belfry::testing::RecordedEvents recorded_;
  std::optional<HostServer> host_;
  const std::shared_ptr<grpc::Channel> channel_ = wire::Connect("unix", path_, std::nullopt);
  const PluginLog log_{2};
  EventStream stream_{channel_, absl::Seconds(30)};
  MountEvents events_{&stream_, &log_};
};

TEST_P(EventStreamTest, ReturnsWhenTheHostHasTheEventWithAllItsMetadata) {
  StartHost();
  EXPECT_EQ(events_.Send("notes/write", {.path = "a", .data_path = "a", .modified = true}),
            absl::OkStatus());
  ASSERT_EQ(recorded_.All().size(), 1u);
  EXPECT_EQ(recorded_.All()[0].type, "notes/write");
  EXPECT_THAT(recorded_.All()[0].metadata,
              ElementsAre(Pair("data_path", "a"), Pair("modified", "true"),
                          Pair("operation", "write"), Pair("path", "a")));
}

TEST_P(EventStreamTest, ARefusalReachesTheOneWhoSentIt) {
  StartHost();
  recorded_.Refuse(absl::PermissionDeniedError("not yours"));
  EXPECT_EQ(events_.Send("notes/write", {.path = "a"}), absl::PermissionDeniedError("not yours"));
  recorded_.Refuse(absl::OkStatus());
  EXPECT_EQ(events_.Send("notes/write", {.path = "b"}), absl::OkStatus());
}

TEST_P(EventStreamTest, ConcurrentSendsAllArriveOnceAndEachSendersInOrder) {
  StartHost();
  constexpr int kThreads = 16, kEach = 50;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([this, t] {
      for (int i = 0; i < kEach; ++i) {
        EXPECT_EQ(events_.Send("t/x", {.path = std::to_string(t), .data_path = std::to_string(i)}),
                  absl::OkStatus());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::map<std::string, int> next;
  for (const auto& event : recorded_.All()) {
    EXPECT_EQ(event.metadata.at("data_path"), std::to_string(next[event.metadata.at("path")]++));
  }
  EXPECT_EQ(recorded_.All().size(), static_cast<std::size_t>(kThreads * kEach));
}

TEST_P(EventStreamTest, WithoutAHostItIsUnavailableAndAHostThatComesBackIsFound) {
  EXPECT_EQ(events_.Send("notes/write", {.path = "a"}).code(), absl::StatusCode::kUnavailable);
  StartHost();
  ASSERT_TRUE(
      channel_->WaitForConnected(std::chrono::system_clock::now() + std::chrono::seconds(30)));
  EXPECT_EQ(events_.Send("notes/write", {.path = "b"}), absl::OkStatus());
}

TEST_P(EventStreamTest, AStreamThatBrokeOpensAgain) {
  StartHost();
  ASSERT_EQ(events_.Send("notes/write", {.path = "a"}), absl::OkStatus());
  host_.reset();
  EXPECT_EQ(events_.Send("notes/write", {.path = "b"}).code(), absl::StatusCode::kUnavailable);
  StartHost();
  ASSERT_TRUE(
      channel_->WaitForConnected(std::chrono::system_clock::now() + std::chrono::seconds(30)));
  EXPECT_EQ(events_.Send("notes/write", {.path = "c"}), absl::OkStatus());
  EXPECT_EQ(recorded_.All().size(), 2u);
}

INSTANTIATE_TEST_SUITE_P(Host, EventStreamTest,
                         ::testing::Values(EventServices::kStreamAndUnary,
                                           EventServices::kUnaryOnly),
                         [](const auto& info) {
                           return info.param == EventServices::kUnaryOnly ? "Vault" : "Belfry";
                         });

// Takes batches and never answers.
class SilentProducer final : public v1::EventProducer::Service {
  grpc::Status Publish(
      grpc::ServerContext*,
      grpc::ServerReaderWriter<v1::PublishReply, v1::PublishRequest>* stream) override {
    v1::PublishRequest request;
    while (stream->Read(&request)) {
    }
    return grpc::Status::OK;
  }
};

TEST(SilentHostTest, ASendEndsAtItsLimitAndTheQueueIsBounded) {
  const belfry::testing::ScratchDirectory directory;
  SilentProducer producer;
  grpc::ServerBuilder builder;
  builder.AddListeningPort("unix:" + directory.path() + "/host",
                           wire::ServerCredentials(std::nullopt));
  builder.RegisterService(&producer);
  builder.SetMaxReceiveMessageSize(-1);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  {
    EventStream stream(wire::Connect("unix", directory.path() + "/host", std::nullopt),
                       absl::Milliseconds(20));
    logical::EventReceived large;
    large.mutable_event()->set_note(std::string(6 << 20, 'x'));
    EXPECT_EQ(stream.Send(large).code(), absl::StatusCode::kDeadlineExceeded);
    EXPECT_EQ(stream.Send(large).code(), absl::StatusCode::kDeadlineExceeded);
    EXPECT_EQ(stream.Send(large).code(), absl::StatusCode::kResourceExhausted);
  }
  server->Shutdown(std::chrono::system_clock::now());
}

class StorageClientTest : public ::testing::Test {
 protected:
  const belfry::testing::ScratchDirectory directory_;
  const std::string path_ = directory_.path() + "/host";
  belfry::testing::InMemoryFakeStorage fake_;
  belfry::testing::RecordedEvents recorded_;
  std::optional<HostServer> host_{
      std::in_place, path_, std::nullopt, EventServices::kStreamAndUnary, &fake_, &recorded_};
  const std::unique_ptr<pb::Storage::Stub> stub_ =
      pb::Storage::NewStub(wire::Connect("unix", path_, std::nullopt));
  StorageClient storage_{stub_.get(), absl::Seconds(30)};
};

TEST_F(StorageClientTest, KeepsListsAndForgetsBytesOfAnySize) {
  const std::string value = std::string(5 << 20, '\0') + "\xff";
  EXPECT_EQ(storage_.Put("a/b", value), absl::OkStatus());
  EXPECT_EQ(**storage_.Get("a/b"), value);
  EXPECT_EQ(*storage_.Get("missing"), std::nullopt);
  EXPECT_THAT(*storage_.List(""), ElementsAre("a/"));
  EXPECT_EQ(storage_.Delete("a/b"), absl::OkStatus());
  EXPECT_EQ(storage_.Delete("a/b"), absl::OkStatus());
  EXPECT_THAT(*storage_.List(""), ElementsAre());
}

TEST_F(StorageClientTest, AReadOnlyHostIsAFailedPreconditionWithTheHostsWords) {
  fake_.ReadOnly();
  EXPECT_EQ(storage_.Put("a", "b"),
            absl::FailedPreconditionError("cannot write to readonly storage"));
}

TEST_F(StorageClientTest, OtherFailuresKeepTheirCodeAndADeadHostIsUnavailable) {
  fake_.FailNext(absl::ResourceExhaustedError("full"));
  EXPECT_EQ(storage_.Put("a", "b"), absl::ResourceExhaustedError("full"));
  host_.reset();
  EXPECT_EQ(storage_.Get("a").status().code(), absl::StatusCode::kUnavailable);
}

}  // namespace
}  // namespace belfry::internal
