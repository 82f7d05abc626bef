#include "sdk/src/event_stream.h"

#include <atomic>
#include <map>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "grpcpp/server_builder.h"
#include "gtest/gtest.h"
#include "sdk/src/mount_events.h"
#include "sdk/src/plugin_log.h"
#include "sdk/src/testing/fake_storage.h"
#include "sdk/src/testing/host_server.h"
#include "sdk/src/testing/recorded_log.h"
#include "sdk/src/testing/scratch_directory.h"
#include "sdk/wire/credentials.h"

namespace belfry::internal {
namespace {

using ::belfry::testing::HostKind;
using ::belfry::testing::HostServer;
using ::testing::Contains;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::Ge;
using ::testing::Pair;
using ::testing::Property;

class EventStreamTest : public ::testing::TestWithParam<HostKind> {
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

TEST_P(EventStreamTest, ManyAtOnceArriveInOrderAndEachHasItsAnswer) {
  StartHost();
  // More than may be under way at once.
  std::vector<Event> many;
  for (int i = 0; i < (GetParam() == HostKind::kVault ? 300 : 20'000); ++i) {
    many.push_back({"t/x", {.path = std::to_string(i)}});
  }
  many[7].type = "no type";
  const std::vector<absl::Status> told = events_.SendAll(many);
  ASSERT_EQ(told.size(), many.size());
  for (std::size_t i = 0; i < told.size(); ++i) {
    EXPECT_EQ(told[i].code(), i == 7 ? absl::StatusCode::kInvalidArgument : absl::StatusCode::kOk);
  }
  std::vector<std::string> paths;
  for (const auto& event : recorded_.All()) paths.push_back(event.metadata.at("path"));
  ASSERT_EQ(paths.size(), many.size() - 1);
  for (std::size_t i = 0; i < paths.size(); ++i) {
    EXPECT_EQ(paths[i], std::to_string(i < 7 ? i : i + 1));
  }
  EXPECT_TRUE(events_.SendAll({}).empty());
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
                         ::testing::Values(HostKind::kBelfry, HostKind::kVault),
                         [](const auto& info) {
                           return info.param == HostKind::kVault ? "Vault" : "Belfry";
                         });

// A server of one service on a unix socket; ends calls when it goes.
class ServerOf final {
 public:
  ServerOf(const std::string& path, grpc::Service* service) {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("unix:" + path, wire::ServerCredentials(std::nullopt));
    builder.RegisterService(service);
    builder.SetMaxReceiveMessageSize(-1);
    server_ = builder.BuildAndStart();
  }
  ~ServerOf() { server_->Shutdown(std::chrono::system_clock::now()); }

 private:
  std::unique_ptr<grpc::Server> server_;
};

std::vector<Event> Numbered(int count) {
  std::vector<Event> events;
  for (int i = 0; i < count; ++i) events.push_back({"t/x", {.path = std::to_string(i)}});
  return events;
}

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
  const ServerOf server(directory.path() + "/host", &producer);
  EventStream stream(wire::Connect("unix", directory.path() + "/host", std::nullopt),
                     absl::Milliseconds(20));
  const PluginLog log{2};
  MountEvents events(&stream, &log);
  EXPECT_THAT(events.SendAll(Numbered(8192)),
              Each(Property(&absl::Status::code, absl::StatusCode::kDeadlineExceeded)));
  EXPECT_EQ(events.Send("t/x", {.path = "a"}).code(), absl::StatusCode::kResourceExhausted);
}

TEST(MountEventsTest, OfMoreFailingTypesThanAreToldApartTheOthersAreOneLine) {
  const belfry::testing::RecordedLog log;
  MountEvents events(nullptr, &log);
  for (int i = 0; i < 300; ++i) {
    for (int again = 0; again < 2; ++again)
      events.NoteFailure(absl::StrCat("t/", i), absl::UnavailableError("gone"));
  }
  // 256 that are told apart, and one for the rest.
  ASSERT_EQ(log.All().size(), 257u);
  EXPECT_EQ(log.All()[0].message, "an event was not sent");
  EXPECT_EQ(log.All()[0].fields.at("event_type"), "t/0");
  EXPECT_EQ(log.All()[0].fields.at("suppressed"), "0");
  // A host without events is no failure.
  events.NoteFailure("u/x", absl::FailedPreconditionError("no events"));
  EXPECT_EQ(log.All().size(), 257u);
}

// Records what it takes. Ends every stream after a few batches, the last of them taken but not
// answered.
class RestlessProducer final : public v1::EventProducer::Service {
 public:
  std::map<std::string, int> Taken() const {
    MutexLock lock(&mutex_);
    return taken_;
  }
  int streams() const { return streams_; }

 private:
  grpc::Status Publish(
      grpc::ServerContext*,
      grpc::ServerReaderWriter<v1::PublishReply, v1::PublishRequest>* stream) override {
    ++streams_;
    v1::PublishRequest request;
    v1::PublishReply reply;
    for (int batch = 0; stream->Read(&request); ++batch) {
      Take(request);
      if (batch == 3) return {grpc::StatusCode::UNAVAILABLE, "the host restarts"};
      reply.set_batch(request.batch());
      stream->Write(reply);
    }
    return grpc::Status::OK;
  }
  void Take(const v1::PublishRequest& request) {
    MutexLock lock(&mutex_);
    for (const logical::EventReceived& event : request.events()) {
      ++taken_[event.event().metadata().fields().at("path").string_value()];
    }
  }

  std::atomic<int> streams_ = 0;
  mutable Mutex mutex_;
  std::map<std::string, int> taken_ ABSL_GUARDED_BY(mutex_);
};

// What a sender was told of its events is what happened to them.
void ExpectToldTruly(const std::map<std::string, int>& taken, const std::string& path,
                     const absl::Status& status) {
  const auto found = taken.find(path);
  const int times = found == taken.end() ? 0 : found->second;
  if (status.ok()) {
    EXPECT_EQ(times, 1) << path;
  } else {
    EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
    EXPECT_LE(times, 1) << path;
  }
}

class RestlessHostTest : public ::testing::Test {
 protected:
  const belfry::testing::ScratchDirectory directory_;
  RestlessProducer producer_;
  const ServerOf server_{directory_.path() + "/host", &producer_};
  EventStream stream_{wire::Connect("unix", directory_.path() + "/host", std::nullopt),
                      absl::Seconds(30)};
  const PluginLog log_{2};
  MountEvents events_{&stream_, &log_};
};

TEST_F(RestlessHostTest, NoAcceptedEventIsLostOrRepeatedWhenTheStreamStartsAnew) {
  constexpr int kThreads = 8, kEach = 100;
  std::vector<std::vector<absl::Status>> told(kThreads);
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([this, t, &told] {
      for (int i = 0; i < kEach; ++i) {
        told[t].push_back(events_.Send("t/x", {.path = absl::StrCat(t, "-", i)}));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_GT(producer_.streams(), 1);
  const std::map<std::string, int> taken = producer_.Taken();
  int accepted = 0;
  for (int t = 0; t < kThreads; ++t) {
    for (int i = 0; i < kEach; ++i) {
      ExpectToldTruly(taken, absl::StrCat(t, "-", i), told[t][i]);
      accepted += told[t][i].ok() ? 1 : 0;
    }
  }
  EXPECT_GT(accepted, kThreads * kEach / 4);
}

TEST_F(RestlessHostTest, WhatWasNotSentWhenTheStreamBrokeGoesOverTheNext) {
  // Twenty batches: four end a stream, of which one or two are in doubt.
  const std::vector<absl::Status> told = events_.SendAll(Numbered(20480));
  const std::map<std::string, int> taken = producer_.Taken();
  for (int i = 0; i < 20480; ++i) ExpectToldTruly(taken, std::to_string(i), told[i]);
  EXPECT_GT(producer_.streams(), 3);
  EXPECT_THAT(told, Contains(absl::OkStatus()).Times(Ge(10240)));
}

}  // namespace
}  // namespace belfry::internal
