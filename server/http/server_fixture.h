#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "base/testing.h"
#include "gtest/gtest.h"
#include "server/http/fake_api.h"
#include "server/http/raw_client.h"
#include "server/http/server.h"

// A server on a port of its own, for the tests of what its clients see.

namespace belfry::http {

class ServerTest : public ::testing::Test {
 protected:
  FakeApi api_;
  std::unique_ptr<Metrics> metrics_ = NewMetrics();
  const std::shared_ptr<RecordingLogSink> log_ = std::make_shared<RecordingLogSink>();
  Options options_;
  std::unique_ptr<Server> server_;

  void Start() {
    for (ListenOptions& listener : options_.listeners) listener.port = 0;
    absl::StatusOr<std::unique_ptr<Server>> server =
        Server::Start(options_, &api_, metrics_.get(), Logger(log_, "http"));
    ASSERT_EQ(server.status(), absl::OkStatus());
    server_ = *std::move(server);
  }
  RawClient::Response Ask(std::string_view request) {
    RawClient client(server_->Port());
    client.Send(request);
    return client.ReadResponse();
  }
  // Sends an upgrade and reads its answer.
  RawClient::Response Upgrade(RawClient& client, std::string_view type = "json") {
    client.Send(Request("GET /v1/sys/events/subscribe/" + std::string(type), kUpgrade));
    return client.ReadResponse();
  }
};

}  // namespace belfry::http
