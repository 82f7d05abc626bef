#include "server/host.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <thread>

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
  config.listener.port = 0;
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
  config.listener.port = (*first)->Port();
  EXPECT_EQ(Host::Start(config).status().code(), absl::StatusCode::kUnavailable);
}

}  // namespace
}  // namespace belfry
