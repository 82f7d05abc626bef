#include "sdk/src/storage_client.h"

#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "absl/time/clock.h"
#include "base/mutex.h"
#include "grpcpp/server_builder.h"
#include "gtest/gtest.h"
#include "sdk/src/grpc_status.h"
#include "sdk/src/plugin_log.h"
#include "sdk/src/stop_signal.h"
#include "sdk/src/testing/fake_storage.h"
#include "sdk/src/testing/host_server.h"
#include "sdk/src/testing/scratch_directory.h"
#include "sdk/wire/credentials.h"
#include "sdk/wire/handshake.h"

namespace belfry::internal {
namespace {

constexpr std::string_view kPath = "data/a\xc3\xbc";

// A host's storage that answers no Get until its caller has given up.
class SilentStorage final : public pb::Storage::Service {
 public:
  grpc::Status Get(grpc::ServerContext* context, const pb::StorageGetArgs*,
                   pb::StorageGetReply*) override {
    deadline_ = absl::FromChrono(context->deadline());
    for (const auto& [name, value] : context->client_metadata()) {
      if (name == wire::kRequestPathMetadata) path_.assign(value.data(), value.size());
    }
    called_.Request();
    Mutex mutex;
    CondVar never;
    MutexLock lock(&mutex);
    while (!context->IsCancelled()) {
      never.WaitUntil(&mutex, std::chrono::steady_clock::now() + std::chrono::milliseconds(5));
    }
    given_up_.Request();
    return grpc::Status::CANCELLED;
  }
  // Returns when a Get has come, with its deadline.
  absl::Time WaitForCall() {
    called_.Wait();
    return deadline_;
  }
  void WaitUntilGivenUp() { given_up_.Wait(); }
  // Of the request that the Get says it is for.
  const std::string& path() const { return path_; }

 private:
  StopSignal called_, given_up_;
  absl::Time deadline_;
  std::string path_;
};

// A plugin whose only request reads from storage.
class ReadingPlugin final : public pb::Backend::Service {
 public:
  explicit ReadingPlugin(const std::shared_ptr<grpc::Channel>& host) : storage_(host, nullptr) {}

  grpc::Status HandleRequest(grpc::ServerContext* context, const pb::HandleRequestArgs*,
                             pb::HandleRequestReply*) override {
    outcome_ = StorageClient(&storage_, context, kPath, "").Get("key").status();
    done_.Request();
    return ToGrpc(outcome_);
  }
  // Returns when the storage call has ended, with how.
  absl::Status Outcome() {
    done_.Wait();
    return outcome_;
  }

 private:
  HostStorage storage_;
  StopSignal done_;
  absl::Status outcome_;
};

class StorageOfARequestTest : public ::testing::Test {
 protected:
  std::unique_ptr<grpc::Server> Serve(const std::string& name, grpc::Service* service) {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("unix:" + directory_.path() + name,
                             wire::ServerCredentials(std::nullopt));
    builder.RegisterService(service);
    return builder.BuildAndStart();
  }
  std::shared_ptr<grpc::Channel> Connect(const std::string& name) {
    return wire::Connect("unix", directory_.path() + name, std::nullopt);
  }
  grpc::Status Request() {
    pb::HandleRequestReply reply;
    return backend_->HandleRequest(&context_, pb::HandleRequestArgs(), &reply);
  }

  const belfry::testing::ScratchDirectory directory_;
  SilentStorage storage_;
  const std::unique_ptr<grpc::Server> host_ = Serve("/host", &storage_);
  ReadingPlugin plugin_{Connect("/host")};
  const std::unique_ptr<grpc::Server> plugin_server_ = Serve("/plugin", &plugin_);
  const std::unique_ptr<pb::Backend::Stub> backend_ = pb::Backend::NewStub(Connect("/plugin"));
  grpc::ClientContext context_;
};

TEST_F(StorageOfARequestTest, HasTheRequestsDeadline) {
  const absl::Time deadline = absl::Now() + absl::Milliseconds(300);
  context_.set_deadline(absl::ToChronoTime(deadline));
  EXPECT_EQ(Request().error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  // It travels as the time that is left, so that it is a little off where it arrives.
  EXPECT_LT(absl::AbsDuration(storage_.WaitForCall() - deadline), absl::Seconds(5));
  storage_.WaitUntilGivenUp();
  EXPECT_FALSE(plugin_.Outcome().ok());
}

TEST_F(StorageOfARequestTest, SaysForWhichPathItReads) {
  context_.set_deadline(absl::ToChronoTime(absl::Now() + absl::Milliseconds(300)));
  Request();
  storage_.WaitForCall();
  storage_.WaitUntilGivenUp();
  EXPECT_EQ(storage_.path(), kPath);
}

TEST_F(StorageOfARequestTest, EndsWhenTheClientGoesAway) {
  std::thread caller([this] { EXPECT_EQ(Request().error_code(), grpc::StatusCode::CANCELLED); });
  storage_.WaitForCall();
  context_.TryCancel();
  storage_.WaitUntilGivenUp();
  EXPECT_EQ(plugin_.Outcome().code(), absl::StatusCode::kCancelled);
  caller.join();
}

// A mount's storage at a host that serves what Vault does.
class StorageAtVaultTest : public ::testing::Test {
 protected:
  const belfry::testing::ScratchDirectory directory_;
  belfry::testing::InMemoryFakeStorage storage_;
  belfry::testing::RecordedEvents events_;
  const belfry::testing::HostServer host_{directory_.path() + "/host", std::nullopt,
                                          belfry::testing::HostKind::kVault, &storage_, &events_};
  const std::shared_ptr<grpc::Channel> channel_ =
      wire::Connect("unix", directory_.path() + "/host", std::nullopt);
  const PluginLog log_{2};
  EventStream stream_{channel_, absl::Seconds(30)};
  MountEvents mount_events_{&stream_, &log_};
  HostStorage at_host_{channel_, &mount_events_};
  StorageClient client_{&at_host_, absl::Seconds(30)};
};

TEST_F(StorageAtVaultTest, ABatchIsDoneOneByOneAndThenTold) {
  ASSERT_EQ(storage_.Put("old", "o"), absl::OkStatus());
  for (const char* value : {"1", "2"}) {
    StorageBatch batch;
    batch.Put("a", value).Delete("old").AddEvent("t/write", {.path = value});
    EXPECT_EQ(client_.Apply(batch), absl::OkStatus());
    EXPECT_EQ(**storage_.Get("a"), value);
    EXPECT_EQ(*storage_.Get("old"), std::nullopt);
    EXPECT_EQ(events_.All().back().metadata.at("path"), value);
    EXPECT_TRUE(at_host_.one_by_one);  // The second time nobody asks.
  }
}

TEST_F(StorageAtVaultTest, ADeleteThatFailsHoldsUpNothingAndIsSaid) {
  ASSERT_EQ(storage_.Put("old", "o"), absl::OkStatus());
  StorageBatch batch;
  batch.Put("a", "1").Delete("old").Put("b", "2").AddEvent("t/write", {.path = "p"});
  storage_.FailAfter(1, absl::UnavailableError("down"));
  EXPECT_EQ(client_.Apply(batch), absl::AbortedError("down"));
  EXPECT_EQ(**storage_.Get("b"), "2");
  EXPECT_EQ(**storage_.Get("old"), "o");
  EXPECT_EQ(events_.All().size(), 1u);
}

TEST_F(StorageAtVaultTest, APutThatFailsEndsItAndNobodyIsTold) {
  StorageBatch batch;
  batch.Put("a", "1").Put("b", "2").AddEvent("t/write", {.path = "p"});
  storage_.FailAfter(1, absl::UnavailableError("down"));
  EXPECT_EQ(client_.Apply(batch), absl::UnavailableError("down"));
  EXPECT_EQ(*storage_.Get("b"), std::nullopt);
  EXPECT_TRUE(events_.All().empty());
}

}  // namespace
}  // namespace belfry::internal
