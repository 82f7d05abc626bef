#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/clock.h"
#include "base/testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/http/fake_api.h"
#include "server/http/http_session.h"
#include "server/http/memory_transport.h"
#include "server/http/raw_client.h"
#include "server/http/session_context.h"
#include "server/http/websocket_frames.h"

// For the tests of sessions.

namespace belfry::http {

inline constexpr std::size_t kMuchRoom = 1 << 20;
inline constexpr std::chrono::seconds kPatience{20};

// Runs what is ready and no more.
inline void Poll(boost::asio::io_context& io) {
  io.restart();
  io.poll();
}

// Runs handlers and waits for the next until `done`; false when that does not come.
inline bool RunUntil(boost::asio::io_context& io, const std::function<bool()>& done) {
  io.restart();
  while (!done()) {
    if (io.run_one_for(kPatience) == 0) return false;
  }
  return true;
}

inline std::string TextFrame(std::string_view payload) {
  return std::string(ServerFrameHeader(Opcode::kText, payload.size()).View()) +
         std::string(payload);
}

// A client's frame, with a mask that changes nothing.
inline std::string Masked(int opcode, std::string_view payload) {
  std::string frame = {static_cast<char>(0x80 | opcode), static_cast<char>(0x80 | payload.size())};
  return frame.append(4, '\0').append(payload);
}

// Sessions over memory, on the test's own thread.
class SessionTest : public ::testing::Test {
 protected:
  FakeApi api_;
  FakeClock clock_{absl::UnixEpoch()};
  FakeScheduler scheduler_{&clock_};
  std::unique_ptr<Metrics> metrics_ = NewMetrics();
  const std::shared_ptr<RecordingLogSink> log_ = std::make_shared<RecordingLogSink>();
  Limits limits_;
  Timeouts timeouts_;
  std::optional<SessionContext> context_;
  // After the context, so that what waits in it goes first.
  boost::asio::io_context io_;

  // What still awaits an answer ends when it is asked for the second time.
  void TearDown() override {
    if (!context_) return;
    for (int i = 0; i < 2; ++i) {
      context_->connections.ShutDown(std::chrono::steady_clock::time_point::min());
      Poll();
    }
  }

  void Poll() { http::Poll(io_); }
  // Requests are answered by what is given here.
  void AnswerLater(std::optional<FakeApi::Respond>& respond) {
    api_.answer = [&respond](const api::HttpRequest&, FakeApi::Respond it) {
      respond.emplace(std::move(it));
    };
  }
  // Time passes, and what comes due runs.
  void Pass(absl::Duration time) {
    scheduler_.Advance(time);
    Poll();
  }
  bool RunUntil(const std::function<bool()>& done) { return http::RunUntil(io_, done); }

  // Serves the client from the next Poll on.
  void Serve(MemoryClient& client) {
    if (!context_) {
      context_.emplace(&api_, &clock_, &scheduler_, limits_, Connections::Bounds{10, 10}, *metrics_,
                       Logger(log_, "http"), timeouts_);
    }
    std::unique_ptr<Transport> transport = client.Connect();
    const Strand strand = transport->strand();
    auto session = std::make_shared<HttpSession>(&*context_, std::move(transport), ListenOptions(),
                                                 Connections::Stay::kUsual);
    boost::asio::post(strand, [session = std::move(session)] { session->Start(); });
  }

  // The sink of the only subscriber.
  std::shared_ptr<subscriptions::Subscriber> Subscribe(MemoryClient& client) {
    Serve(client);
    client.Send(Request(kSubscribe, kUpgrade));
    Poll();
    EXPECT_THAT(client.TakeReceived(), ::testing::StartsWith("HTTP/1.1 101 "));
    return api_.Sink(0);
  }

  std::int64_t Sessions() {
    return metrics_->GetGauge("belfry_http_connections", "").Value() +
           metrics_->GetGauge("belfry_websocket_sessions", "").Value();
  }
};

}  // namespace belfry::http
