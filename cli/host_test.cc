#include "server/host.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "cli/client.h"
#include "cli/websocket.h"

namespace belfry {
namespace {

using cli::Answer;
using cli::Client;
using cli::Connection;
using cli::WebSocket;
using ::testing::HasSubstr;

HostConfig Config() {
  HostConfig config;
  config.dev = DevConfig{.root_token = "root"};
  config.listeners[0].port = 0;
  config.plugin_directories = {BELFRY_BIN "/plugins"};
  config.guard_program = BELFRY_BIN "/belfry-plugin-guard";
  config.log_level = "warn";
  return config;
}

Connection To(const Host& host) {
  Connection connection;
  connection.port = host.Port();
  connection.token = "root";
  return connection;
}

// A subscription to everything of kv; null when it was refused.
std::unique_ptr<WebSocket> Subscribe(const Connection& connection) {
  auto opened =
      WebSocket::Open(connection, connection.Target("sys/events/subscribe/kv*", "json=true"));
  if (!opened.ok() || !std::holds_alternative<std::unique_ptr<WebSocket>>(*opened)) return nullptr;
  return std::move(std::get<std::unique_ptr<WebSocket>>(*opened));
}

TEST(HostTest, OneWriteIsOneEvent) {
  auto host = Host::Start(Config());
  ASSERT_TRUE(host.ok()) << host.status();
  const Connection connection = To(**host);
  const auto events = Subscribe(connection);
  ASSERT_NE(events, nullptr);
  Client client(connection);
  for (const char* path : {"secret/data/first", "secret/data/second"}) {
    const auto answer = client.Send("PUT", path, "", R"({"data":{"a":"1"}})");
    ASSERT_TRUE(answer.ok()) << answer.status();
    EXPECT_EQ(answer->status, 200) << answer->body;
    // Were there two events of a write, the second path would not come second.
    const auto event = events->Next(/*stop_when_closed=*/-1);
    ASSERT_TRUE(event.ok()) << event.status();
    const auto data = boost::json::parse(*event).at("data");
    EXPECT_EQ(data.at("event_type").as_string(), "kv-v2/data-write");
    EXPECT_EQ(data.at("event").at("metadata").at("path").as_string(), path);
    EXPECT_EQ(data.at("plugin_info").at("mount_path").as_string(), "secret/");
  }
}

TEST(HostTest, ItsEndIsToldToSubscribersAs1001) {
  auto host = Host::Start(Config());
  ASSERT_TRUE(host.ok()) << host.status();
  const auto events = Subscribe(To(**host));
  ASSERT_NE(events, nullptr);
  // The server waits for the subscriber's token_end, and so must not be waited for by the
  // subscriber.
  std::thread ending([&host] { host->reset(); });
  const auto end = events->Next(/*stop_when_closed=*/-1);
  ending.join();
  EXPECT_EQ(end.status().code(), absl::StatusCode::kOutOfRange);
  EXPECT_THAT(std::string(end.status().message()), HasSubstr("1001"));
}

// A server that is not in dev mode, over a data directory that is gone with the test.
class DurableHostTest : public ::testing::Test {
 protected:
  DurableHostTest() {
    std::string folder = (std::filesystem::temp_directory_path() / "hostXXXXXX").string();
    EXPECT_NE(mkdtemp(folder.data()), nullptr);
    folder_ = folder;
    config_.dev.reset();
    config_.storage = {.kind = StorageConfig::Kind::kRocksDb, .path = folder_ + "/data"};
  }
  ~DurableHostTest() override {
    host_.reset();
    std::filesystem::remove_all(folder_);
  }

  void Start() {
    host_.reset();
    auto host = Host::Start(config_);
    ASSERT_TRUE(host.ok()) << host.status();
    host_ = *std::move(host);
  }
  // The body of the answer, which must have this status.
  boost::json::value Send(const char* method, const char* path, const std::string& body,
                          int status = 200) {
    Connection connection = To(*host_);
    connection.token = token_;
    const auto answer = Client(connection).Send(method, path, "", body);
    EXPECT_TRUE(answer.ok()) << answer.status();
    if (!answer.ok()) return {};
    EXPECT_EQ(answer->status, status) << path << " " << answer->body;
    return answer->body.empty() ? boost::json::value() : boost::json::parse(answer->body);
  }
  void Initialize() {
    const auto made = Send("PUT", "sys/init", R"({"secret_shares":2,"secret_threshold":2})");
    token_ = made.at("root_token").as_string();
    for (const auto& key : made.at("keys").as_array()) keys_.emplace_back(key.as_string());
  }
  void Unseal() {
    for (const std::string& key : keys_) {
      Send("PUT", "sys/unseal", R"({"key":")" + key + R"("})");
    }
    Send("GET", "sys/health", "");
  }

  std::string folder_;
  HostConfig config_ = Config();
  std::unique_ptr<Host> host_;
  std::string token_;
  std::vector<std::string> keys_;
};

TEST_F(DurableHostTest, WhatWasWrittenIsThereAfterARestartOnceItIsUnsealed) {
  Start();
  Send("GET", "sys/health", "", 501);
  Initialize();
  Send("GET", "sys/mounts", "", 503);
  Unseal();
  Send("PUT", "sys/mounts/kv", R"({"type":"kv","options":{"version":"2"}})", 204);
  Send("PUT", "kv/data/a", R"({"data":{"b":"1"}})");
  Send("PUT", "kv/data/a", R"({"data":{"b":"2"}})");
  Send("PUT", "sys/policies/acl/app", R"({"policy":"path \"kv/*\" {capabilities=[\"read\"]}"})",
       204);
  Start();
  Send("GET", "kv/data/a", "", 503);
  Send("GET", "sys/health", "", 503);
  Unseal();
  EXPECT_EQ(Send("GET", "kv/data/a", "").at("data").at("data").at("b").as_string(), "2");
  EXPECT_EQ(Send("GET", "kv/metadata/a", "").at("data").at("current_version").as_int64(), 2);
  Send("GET", "sys/policies/acl/app", "");
}

TEST_F(DurableHostTest, SealingEndsSubscribersWithAReasonAndUnsealingServesAgain) {
  Start();
  Initialize();
  Unseal();
  Connection connection = To(*host_);
  connection.token = token_;
  const auto events = Subscribe(connection);
  ASSERT_NE(events, nullptr);
  Send("PUT", "sys/seal", "", 204);
  const auto end = events->Next(/*stop_when_closed=*/-1);
  EXPECT_THAT(std::string(end.status().message()), HasSubstr("the server is sealed"));
  Send("GET", "sys/mounts", "", 503);
  Unseal();
  Send("GET", "sys/mounts", "");
}

TEST_F(DurableHostTest, ADataDirectoryThatAnotherHostHasIsRefused) {
  Start();
  EXPECT_EQ(Host::Start(config_).status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST(HostTest, InDevModeTheUnsealKeyUnseals) {
  auto host = Host::Start(Config());
  ASSERT_TRUE(host.ok()) << host.status();
  Client client(To(**host));
  EXPECT_EQ(client.Send("PUT", "secret/data/a", "", R"({"data":{"b":"1"}})")->status, 200);
  EXPECT_EQ(client.Send("PUT", "sys/seal", "", "")->status, 204);
  EXPECT_EQ(client.Send("GET", "secret/data/a", "", "")->status, 503);
  EXPECT_EQ(client.Send("PUT", "sys/unseal", "", R"({"key":")" + (*host)->DevUnsealKey() + R"("})")
                ->status,
            200);
  EXPECT_EQ(client.Send("GET", "secret/data/a", "", "")->status, 200);
}

TEST(HostTest, WithoutTheKvPluginItSaysWhatIsMissing) {
  HostConfig config = Config();
  config.plugin_directories.clear();
  const auto host = Host::Start(config);
  EXPECT_EQ(host.status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(host.status().message(), "cannot mount secret/: plugin not found in the catalog: kv");
}

TEST(HostTest, APortThatIsTakenIsUnavailable) {
  const auto first = Host::Start(Config());
  ASSERT_TRUE(first.ok()) << first.status();
  HostConfig config = Config();
  config.listeners[0].port = (*first)->Port();
  EXPECT_EQ(Host::Start(config).status().code(), absl::StatusCode::kUnavailable);
}

}  // namespace
}  // namespace belfry
