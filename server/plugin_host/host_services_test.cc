#include "server/plugin_host/host_services.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <future>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/testing.h"
#include "proto/belfry/v1/event_producer.grpc.pb.h"
#include "proto/belfry/v1/storage.grpc.pb.h"
#include "proto/vault/backend.grpc.pb.h"
#include "sdk/wire/handshake.h"
#include "server/plugin_host/testing.h"
#include "server/storage/testing.h"

namespace belfry::plugin_host {
namespace {

using ::testing::HasSubstr;

// Commits wait here, if a test wants it; whoever brings them does not.
class BlockingStorage final : public storage::MemoryStorage {
 public:
  using MemoryStorage::MemoryStorage;
  // From the next commit on, until Release.
  void Block() {
    MutexLock lock(&mutex_);
    blocked_ = true;
  }
  void AwaitCommit() {
    MutexLock lock(&mutex_);
    while (waiting_.empty()) changed_.Wait(&mutex_);
  }
  void Release() {
    std::vector<Waiting> waiting;
    {
      MutexLock lock(&mutex_);
      blocked_ = false;
      waiting.swap(waiting_);
    }
    for (Waiting& commit : waiting)
      MemoryStorage::Commit(std::move(commit.batch), std::move(commit.done));
  }

  void Commit(storage::WriteBatch batch, Done done) override {
    {
      MutexLock lock(&mutex_);
      if (blocked_) {
        waiting_.push_back({std::move(batch), std::move(done)});
        changed_.NotifyAll();
        return;
      }
    }
    MemoryStorage::Commit(std::move(batch), std::move(done));
  }

 private:
  struct Waiting {
    storage::WriteBatch batch;
    Done done;
  };
  Mutex mutex_;
  CondVar changed_;
  bool blocked_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<Waiting> waiting_ ABSL_GUARDED_BY(mutex_);
};

// A plugin's view of the host, over a real socket with mutual TLS.
class HostServicesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "hostXXXXXX").string();
    folder_ = mkdtemp(pattern.data());
    host_ = *wire::NewCertificate();
    plugin_ = *wire::NewCertificate();
    limits_.large_plugin_request_bytes = 2000;
    large_paths_ = std::make_shared<LargePaths>(limits_);
    MountServices services{.storage = &storage_,
                           .large_paths = large_paths_,
                           .clock = &clock_,
                           .metrics = metrics_.get(),
                           .logger = Logger(log_, "plugins"),
                           .limits = limits_,
                           .default_lease_ttl = absl::Hours(1),
                           .max_lease_ttl = absl::Hours(2),
                           .vault_version = "1.2.3"};
    services.plugin_info.set_mount_class("secret");
    services.plugin_info.set_mount_path("honest/");
    services.plugin_info.set_mount_accessor("forger_01234567");
    services.plugin_info.set_plugin("forger");
    services_ = *HostServices::Start(
        Socket(), wire::Trust{.own = host_, .peer_certificate_pem = plugin_.certificate_pem},
        std::move(services));
    channel_ =
        wire::Connect("unix", Socket(),
                      wire::Trust{.own = plugin_, .peer_certificate_pem = host_.certificate_pem});
  }
  void TearDown() override {
    channel_.reset();
    services_.reset();
    EXPECT_FALSE(std::filesystem::exists(Socket()));
    std::filesystem::remove_all(folder_);
  }
  std::string Socket() const { return folder_ + "/host"; }

  std::string Put(const std::string& key, const std::string& value) {
    grpc::ClientContext context;
    pb::StoragePutArgs args;
    args.mutable_entry()->set_key(key);
    args.mutable_entry()->set_value(value);
    pb::StoragePutReply reply;
    EXPECT_TRUE(pb::Storage::NewStub(channel_)->Put(&context, args, &reply).ok());
    return reply.err();
  }
  pb::StorageGetReply Get(const std::string& key) {
    grpc::ClientContext context;
    pb::StorageGetArgs args;
    args.set_key(key);
    pb::StorageGetReply reply;
    EXPECT_TRUE(pb::Storage::NewStub(channel_)->Get(&context, args, &reply).ok());
    return reply;
  }

  // What a path counts as once a request to it has read this key, or listed this folder.
  std::size_t BytesAfterGet(const std::string& path, const std::string& key) {
    grpc::ClientContext context;
    context.AddMetadata(wire::kRequestPathMetadata, path);
    pb::StorageGetArgs args;
    args.set_key(key);
    pb::StorageGetReply reply;
    EXPECT_TRUE(pb::Storage::NewStub(channel_)->Get(&context, args, &reply).ok());
    return large_paths_->BytesOf(path);
  }
  std::size_t BytesAfterList(const std::string& path, const std::string& prefix) {
    grpc::ClientContext context;
    context.AddMetadata(wire::kRequestPathMetadata, path);
    pb::StorageListArgs args;
    args.set_prefix(prefix);
    pb::StorageListReply reply;
    EXPECT_TRUE(pb::Storage::NewStub(channel_)->List(&context, args, &reply).ok());
    return large_paths_->BytesOf(path);
  }

  grpc::Status Apply(const v1::ApplyRequest& request, v1::ApplyReply* reply) {
    grpc::ClientContext context;
    return v1::Storage::NewStub(channel_)->Apply(&context, request, reply);
  }

  std::string folder_;
  wire::Certificate host_;
  wire::Certificate plugin_;
  RecordingObserver observer_;
  BlockingStorage storage_{&observer_};
  FakeClock clock_{absl::FromUnixSeconds(1795413511)};
  const std::unique_ptr<Metrics> metrics_ = NewMetrics();
  const std::shared_ptr<RecordingLogSink> log_ = std::make_shared<RecordingLogSink>();
  Limits limits_;
  std::shared_ptr<LargePaths> large_paths_;
  std::unique_ptr<HostServices> services_;
  std::shared_ptr<grpc::Channel> channel_;
};

logical::EventReceived Event(const std::string& type) {
  logical::EventReceived event;
  event.set_event_type(type);
  event.mutable_event()->set_id("id-of-" + type);
  (*event.mutable_event()->mutable_metadata()->mutable_fields())["path"].set_string_value("a");
  return event;
}

TEST_F(HostServicesTest, AForgedEventIsRefusedAndItsNeighboursGoThrough) {
  v1::PublishRequest request;
  request.set_batch(7);
  *request.add_events() = Event("forger/first");
  *request.add_events() = Event("forger/forged");
  request.mutable_events(1)->mutable_plugin_info()->set_mount_path("secret/");
  *request.add_events() = Event("forger/third");
  grpc::ClientContext context;
  const auto stub = v1::EventProducer::NewStub(channel_);
  const auto stream = stub->Publish(&context);
  ASSERT_TRUE(stream->Write(request));
  v1::PublishReply reply;
  ASSERT_TRUE(stream->Read(&reply));
  EXPECT_EQ(reply.batch(), 7u);
  ASSERT_EQ(reply.rejected_size(), 1);
  EXPECT_EQ(reply.rejected(0).index(), 1u);
  EXPECT_EQ(reply.rejected(0).code(), grpc::StatusCode::PERMISSION_DENIED);
  stream->WritesDone();
  EXPECT_TRUE(stream->Finish().ok());

  const std::vector<CommittedEvent> events = observer_.Take(2);
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[0].message.event_type(), "forger/first");
  EXPECT_EQ(events[1].message.event_type(), "forger/third");
  EXPECT_EQ(events[1].message.plugin_info().mount_path(), "honest/");
  EXPECT_EQ(TextOf(events[1].message, "path"), "honest/a");
  EXPECT_EQ(events[1].event.accepted, clock_.Now());
  EXPECT_THAT(
      metrics_->PrometheusText(),
      HasSubstr("belfry_events_rejected_total{code=\"PERMISSION_DENIED\",mount=\"honest/\"} "
                "1\n"));
  ASSERT_EQ(log_->Lines().size(), 1u);
  EXPECT_NE(log_->Lines()[0].find("mount=honest/"), std::string::npos);
}

TEST_F(HostServicesTest, RefusedEventsAreCountedFromZero) {
  for (const char* code : {"INVALID_ARGUMENT", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED"}) {
    EXPECT_THAT(metrics_->PrometheusText(),
                HasSubstr(std::string("belfry_events_rejected_total{code=\"") + code +
                          "\",mount=\"honest/\"} 0\n"));
  }
}

TEST_F(HostServicesTest, WhatARequestReadsMakesItsPathALargeOne) {
  services_->AllowWrites();
  Put("large", std::string(3000, 'x'));
  Put("small", "x");
  EXPECT_EQ(BytesAfterGet("subkeys/a", "small"), 0u);
  EXPECT_EQ(BytesAfterGet("subkeys/a", "large"), 3000u);
  EXPECT_EQ(BytesAfterGet("subkeys/a", "missing"), 3000u);
  // As long as a request's path may be, of bytes that metadata as such could not hold.
  EXPECT_EQ(BytesAfterGet(std::string(limits_.max_request_path_bytes, '\xfc'), "large"), 3000u);
  for (int i = 0; i < 10; ++i) Put("folder/" + std::to_string(i), "x");
  EXPECT_GT(BytesAfterList("metadata/", "folder/"), limits_.large_plugin_request_bytes);
  EXPECT_EQ(BytesAfterList("metadata/b", "none/"), 0u);
}

TEST_F(HostServicesTest, WhatIsRefusedIsALogLineAMinute) {
  v1::PublishRequest request;
  for (int i = 0; i < 100; ++i) request.add_events();
  grpc::ClientContext context;
  const auto stub = v1::EventProducer::NewStub(channel_);
  const auto stream = stub->Publish(&context);
  ASSERT_TRUE(stream->Write(request));
  v1::PublishReply reply;
  ASSERT_TRUE(stream->Read(&reply));
  EXPECT_EQ(reply.rejected_size(), 100);
  EXPECT_EQ(log_->Lines().size(), 1u);
  const auto send_again = [&] {
    return stream->Write(request) && stream->Read(&reply) && reply.rejected_size() == 100;
  };
  ASSERT_TRUE(send_again());
  EXPECT_EQ(log_->Lines().size(), 1u);
  clock_.Advance(absl::Minutes(1));
  ASSERT_TRUE(send_again());
  EXPECT_EQ(log_->Lines().size(), 2u);
}

TEST_F(HostServicesTest, NothingOfABatchIsLeftInTheNext) {
  grpc::ClientContext context;
  const auto stub = v1::EventProducer::NewStub(channel_);
  const auto stream = stub->Publish(&context);
  v1::PublishReply reply;
  v1::PublishRequest large;
  for (int i = 0; i < 200; ++i) *large.add_events() = Event("forger/large");
  (*large.mutable_events(0)->mutable_event()->mutable_metadata()->mutable_fields())["more"]
      .set_string_value(std::string(20'000, 'x'));
  ASSERT_TRUE(stream->Write(large));
  ASSERT_TRUE(stream->Read(&reply));
  observer_.Take(200);
  v1::PublishRequest small;
  small.add_events()->set_event_type("forger/small");
  ASSERT_TRUE(stream->Write(small));
  ASSERT_TRUE(stream->Read(&reply));
  EXPECT_EQ(reply.rejected_size(), 0);
  const std::vector<CommittedEvent> events = observer_.Take(1);
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].message.event_type(), "forger/small");
  EXPECT_FALSE(events[0].message.event().has_metadata());
  EXPECT_FALSE(events[0].message.event().id().empty());
}

TEST_F(HostServicesTest, VaultsOwnWayToSendAnEventIsServedToo) {
  pb::SendEventRequest request;
  request.set_event_type("forger-v2/data-write");
  *request.mutable_event() = Event("x").event();
  pb::Empty reply;
  grpc::ClientContext context;
  EXPECT_TRUE(pb::Events::NewStub(channel_)->SendEvent(&context, request, &reply).ok());
  EXPECT_EQ(observer_.Take(1)[0].message.plugin_info().mount_path(), "honest/");
  request.clear_event_type();
  grpc::ClientContext second;
  EXPECT_EQ(pb::Events::NewStub(channel_)->SendEvent(&second, request, &reply).error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(HostServicesTest, StorageIsReadOnlyUntilSetupIsOver) {
  EXPECT_EQ(Put("a", "1"), "cannot write to storage during setup");
  services_->AllowWrites();
  EXPECT_EQ(Put("a", "1"), "");
  EXPECT_EQ(Get("a").entry().value(), "1");
  EXPECT_FALSE(Get("b").has_entry());
  EXPECT_EQ(Get("b").err(), "");
  EXPECT_EQ(Put("../b", "1"), "relative paths not supported");
}

TEST_F(HostServicesTest, WhoeverForbidsWritesWaitsForTheOneUnderWay) {
  services_->AllowWrites();
  storage_.Block();
  auto writing = std::async(std::launch::async, [this] { return Put("a", "1"); });
  storage_.AwaitCommit();
  auto stored_by_then = std::async(std::launch::async, [this] {
    services_->ForbidWrites();
    return Get("a").has_entry();
  });
  storage_.Release();
  EXPECT_TRUE(stored_by_then.get());
  EXPECT_EQ(writing.get(), "");
  EXPECT_EQ(Put("b", "1"), "cannot write to storage during setup");
  v1::ApplyReply reply;
  EXPECT_EQ(Apply({}, &reply).error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  services_->AllowWrites();
  EXPECT_EQ(Put("b", "1"), "");
}

// What it stored before it was replaced must not go untold; what it may no longer store tells
// nothing.
TEST_F(HostServicesTest, AnInstanceThatWasReplacedStillSpeaksForItsMountAndForWhatItHasStored) {
  services_->AllowWrites();
  grpc::ClientContext context;
  const auto stub = v1::EventProducer::NewStub(channel_);
  const auto stream = stub->Publish(&context);
  const auto publish = [&stream] {
    v1::PublishRequest request;
    *request.add_events() = Event("forger/late");
    v1::PublishReply reply;
    return stream->Write(request) && stream->Read(&reply) && reply.rejected_size() == 0;
  };
  ASSERT_TRUE(publish());
  services_->ForbidWrites();
  ASSERT_TRUE(publish());
  for (const CommittedEvent& event : observer_.Take(2)) {
    EXPECT_EQ(event.message.plugin_info().mount_path(), "honest/");
    EXPECT_EQ(event.message.plugin_info().mount_accessor(), "forger_01234567");
  }
  v1::ApplyRequest batch;
  *batch.add_events() = Event("forger/refused");
  v1::ApplyReply reply;
  EXPECT_EQ(Apply(batch, &reply).error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(observer_.Take(0).size(), 0u);
}

TEST_F(HostServicesTest, ABatchIsStoredThenTold) {
  services_->AllowWrites();
  ASSERT_EQ(Put("old", "1"), "");
  v1::ApplyRequest request;
  request.add_operations()->mutable_put()->set_key("new");
  request.mutable_operations(0)->mutable_put()->set_value("2");
  request.add_operations()->set_delete_("old");
  *request.add_events() = Event("forger/first");
  *request.add_events() = Event("forger/forged");
  request.mutable_events(1)->mutable_plugin_info()->set_mount_path("secret/");
  v1::ApplyReply reply;
  ASSERT_TRUE(Apply(request, &reply).ok());
  EXPECT_EQ(Get("new").entry().value(), "2");
  EXPECT_FALSE(Get("old").has_entry());
  ASSERT_EQ(reply.rejected_size(), 1);
  EXPECT_EQ(reply.rejected(0).index(), 1u);
  EXPECT_EQ(reply.rejected(0).code(), grpc::StatusCode::PERMISSION_DENIED);
  const std::vector<CommittedEvent> events = observer_.Take(1);
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].message.event_type(), "forger/first");
  EXPECT_EQ(events[0].message.plugin_info().mount_path(), "honest/");
}

TEST_F(HostServicesTest, ABatchThatCannotBeStoredChangesAndTellsNothing) {
  v1::ApplyRequest request;
  request.add_operations()->mutable_put()->set_key("a");
  *request.add_events() = Event("forger/first");
  v1::ApplyReply reply;
  const grpc::Status read_only = Apply(request, &reply);
  EXPECT_EQ(read_only.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(read_only.error_message(), "cannot write to storage during setup");
  services_->AllowWrites();
  request.add_operations();
  EXPECT_EQ(Apply(request, &reply).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  request.mutable_operations(1)->set_delete_("../b");
  const grpc::Status bad_key = Apply(request, &reply);
  EXPECT_EQ(bad_key.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(bad_key.error_message(), "relative paths not supported");
  EXPECT_FALSE(Get("a").has_entry());
  request.mutable_operations(1)->set_delete_("b");
  for (int i = 1; i < 65; ++i) *request.add_events() = Event("forger/more");
  EXPECT_EQ(Apply(request, &reply).error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  request.mutable_events()->DeleteSubrange(1, 64);
  for (int i = 0; i < 5000; ++i) request.add_operations()->set_delete_("b");
  EXPECT_EQ(Apply(request, &reply).error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  // Only this one: nothing was published before it.
  request.clear_operations();
  ASSERT_TRUE(Apply(request, &reply).ok());
  EXPECT_EQ(observer_.Take(1).size(), 1u);
}

TEST_F(HostServicesTest, EachCallOfAPluginToItsStorageIsCounted) {
  services_->AllowWrites();
  Put("a", "1");
  Get("a");
  Get("b");
  v1::ApplyReply reply;
  ASSERT_TRUE(Apply({}, &reply).ok());
  const auto calls = [this](const char* method) {
    return metrics_->GetCounter("belfry_storage_calls_total", "", {{"method", method}}).Value();
  };
  EXPECT_EQ(calls("put"), 1u);
  EXPECT_EQ(calls("get"), 2u);
  EXPECT_EQ(calls("apply"), 1u);
  EXPECT_EQ(calls("delete"), 0u);
}

TEST_F(HostServicesTest, TheSystemViewIsThatOfAVaultWithoutEnterprise) {
  const auto view = pb::SystemView::NewStub(channel_);
  pb::ReplicationStateReply state;
  grpc::ClientContext first;
  ASSERT_TRUE(view->ReplicationState(&first, pb::Empty(), &state).ok());
  EXPECT_EQ(state.state(), 12288);
  pb::TTLReply ttl;
  grpc::ClientContext second;
  ASSERT_TRUE(view->MaxLeaseTTL(&second, pb::Empty(), &ttl).ok());
  EXPECT_EQ(ttl.ttl(), absl::ToInt64Nanoseconds(absl::Hours(2)));
  pb::PluginEnvReply environment;
  grpc::ClientContext third;
  ASSERT_TRUE(view->PluginEnv(&third, pb::Empty(), &environment).ok());
  EXPECT_EQ(environment.plugin_environment().vault_version(), "1.2.3");
  pb::GeneratePasswordFromPolicyReply password;
  grpc::ClientContext fourth;
  EXPECT_EQ(view->GeneratePasswordFromPolicy(&fourth, {}, &password).error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
  pb::RegisterRotationJobWithResponseReply rotation;
  grpc::ClientContext fifth;
  EXPECT_EQ(view->RegisterRotationJobWithResponse(&fifth, {}, &rotation).error_code(),
            grpc::StatusCode::INTERNAL);
}

TEST_F(HostServicesTest, WhoHasAnotherCertificateIsNobody) {
  const std::shared_ptr<grpc::Channel> stranger = wire::Connect(
      "unix", Socket(),
      wire::Trust{.own = *wire::NewCertificate(), .peer_certificate_pem = host_.certificate_pem});
  grpc::ClientContext context;
  pb::StorageGetReply reply;
  EXPECT_EQ(pb::Storage::NewStub(stranger)->Get(&context, {}, &reply).error_code(),
            grpc::StatusCode::UNAVAILABLE);
}

TEST_F(HostServicesTest, AnOpenStreamDoesNotHoldUpTheEnd) {
  grpc::ClientContext context;
  const auto stub = v1::EventProducer::NewStub(channel_);
  const auto stream = stub->Publish(&context);
  ASSERT_TRUE(stream->Write({}));
  v1::PublishReply reply;
  ASSERT_TRUE(stream->Read(&reply));
  services_.reset();
  EXPECT_FALSE(stream->Read(&reply));
  EXPECT_FALSE(stream->Finish().ok());
}

}  // namespace
}  // namespace belfry::plugin_host
