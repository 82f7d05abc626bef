#include "sdk/src/storage_client.h"

#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "absl/time/clock.h"
#include "grpcpp/server_builder.h"
#include "gtest/gtest.h"
#include "sdk/src/grpc_status.h"
#include "sdk/src/stop_signal.h"
#include "sdk/src/testing/scratch_directory.h"
#include "sdk/wire/credentials.h"
#include "server/base/mutex.h"

namespace belfry::internal {
namespace {

// A host's storage that answers no Get until its caller has given up.
class SilentStorage final : public pb::Storage::Service {
 public:
  grpc::Status Get(grpc::ServerContext* context, const pb::StorageGetArgs*,
                   pb::StorageGetReply*) override {
    deadline_ = absl::FromChrono(context->deadline());
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

 private:
  StopSignal called_, given_up_;
  absl::Time deadline_;
};

// A plugin whose only request reads from storage.
class ReadingPlugin final : public pb::Backend::Service {
 public:
  explicit ReadingPlugin(std::shared_ptr<grpc::Channel> host) : stub_(pb::Storage::NewStub(host)) {}

  grpc::Status HandleRequest(grpc::ServerContext* context, const pb::HandleRequestArgs*,
                             pb::HandleRequestReply*) override {
    outcome_ = StorageClient(stub_.get(), context).Get("key").status();
    done_.Request();
    return ToGrpc(outcome_);
  }
  // Returns when the storage call has ended, with how.
  absl::Status Outcome() {
    done_.Wait();
    return outcome_;
  }

 private:
  const std::unique_ptr<pb::Storage::Stub> stub_;
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

TEST_F(StorageOfARequestTest, EndsWhenTheClientGoesAway) {
  std::thread caller([this] { EXPECT_EQ(Request().error_code(), grpc::StatusCode::CANCELLED); });
  storage_.WaitForCall();
  context_.TryCancel();
  storage_.WaitUntilGivenUp();
  EXPECT_EQ(plugin_.Outcome().code(), absl::StatusCode::kCancelled);
  caller.join();
}

}  // namespace
}  // namespace belfry::internal
