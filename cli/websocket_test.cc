#include "cli/websocket.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/websocket.hpp>
#include <functional>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <thread>

#include "cli/commands.h"
#include "cli/text.h"

namespace belfry::cli {
namespace {

namespace beast = boost::beast;
namespace websocket = beast::websocket;
using boost::asio::ip::tcp;
using ::testing::HasSubstr;
using Stream = websocket::stream<tcp::socket>;

// Accepts one WebSocket and does with it what it was told to, on a thread of its own.
class Peer {
 public:
  explicit Peer(std::function<void(Stream&)> act)
      : thread_([this, act = std::move(act)] {
          Stream stream(acceptor_.accept());
          stream.accept();
          act(stream);
        }) {}
  ~Peer() { thread_.join(); }

  std::string Address() const {
    return Concat("http://127.0.0.1:", acceptor_.local_endpoint().port());
  }
  std::unique_ptr<WebSocket> Connect(absl::Duration ping_after) const {
    Connection connection;
    connection.port = acceptor_.local_endpoint().port();
    auto opened = WebSocket::Open(connection, "/", {.ping_after = ping_after});
    if (!opened.ok() || !std::holds_alternative<std::unique_ptr<WebSocket>>(*opened))
      return nullptr;
    return std::move(std::get<std::unique_ptr<WebSocket>>(*opened));
  }

 private:
  boost::asio::io_context context_;
  tcp::acceptor acceptor_{context_, tcp::endpoint(boost::asio::ip::address_v4::loopback(), 0)};
  std::thread thread_;
};

// What the client sends, frame by frame, without the answers that a WebSocket library would give.
class RawFrames {
 public:
  explicit RawFrames(tcp::socket& socket) : socket_(socket) {}
  // Waits for the next ping; false when the connection ends before one comes.
  bool WaitForPing() {
    for (;;) {
      // All that it sends is masked and short: two bytes, four of the mask, the payload.
      if (!Fill(6)) return false;
      const auto opcode = static_cast<unsigned char>(bytes_[0]) & 0x0f;
      const auto size = 6 + (static_cast<unsigned char>(bytes_[1]) & 0x7f);
      if (!Fill(size)) return false;
      bytes_.erase(0, size);
      if (opcode == 9) return true;
    }
  }
  void Send(std::string_view frame) {
    boost::system::error_code ignored;
    boost::asio::write(socket_, boost::asio::buffer(frame.data(), frame.size()), ignored);
  }

 private:
  bool Fill(std::size_t size) {
    boost::system::error_code error;
    char more[256];
    while (bytes_.size() < size && !error)
      bytes_.append(more, socket_.read_some(boost::asio::buffer(more), error));
    return bytes_.size() >= size;
  }

  tcp::socket& socket_;
  std::string bytes_;
};

constexpr std::string_view kPing("\x89\x00", 2);
constexpr std::string_view kPong("\x8a\x00", 2);
constexpr std::string_view kLate("\x81\x04late", 6);

// Each silence is as long as one that would be the end, were it not for the sign of life after it.
void ExpectToBeWaitedFor(std::string_view sign_of_life) {
  Peer peer([&](Stream& stream) {
    RawFrames client(stream.next_layer());
    for (int pings = 0; pings < 4; ++pings) {
      if (!client.WaitForPing()) return;
      client.Send(sign_of_life);
    }
    client.Send(kLate);
  });
  const auto socket = peer.Connect(absl::Milliseconds(500));
  ASSERT_NE(socket, nullptr);
  EXPECT_EQ(socket->Next(-1).value_or("lost"), "late");
}

TEST(WebSocketTest, AQuietServerThatAnswersPingsIsWaitedFor) {
  ExpectToBeWaitedFor(kPong);
}

TEST(WebSocketTest, AServersOwnPingsAreASignOfLife) {
  ExpectToBeWaitedFor(kPing);
}

TEST(WebSocketTest, AServerThatAnswersNoPingIsLost) {
  Peer peer([](Stream& stream) {
    RawFrames client(stream.next_layer());
    while (client.WaitForPing()) {
    }
  });
  const auto socket = peer.Connect(absl::Milliseconds(50));
  ASSERT_NE(socket, nullptr);
  const absl::Status lost = socket->Next(-1).status();
  EXPECT_EQ(lost.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_THAT(std::string(lost.message()),
              HasSubstr("is lost: it has sent nothing for 100ms and answers no ping"));
}

TEST(WebSocketTest, AServerThatDoesNotAnswerTheHandshakeIsLateNotUnreachable) {
  boost::asio::io_context context;
  const tcp::acceptor silent(context, tcp::endpoint(boost::asio::ip::address_v4::loopback(), 0));
  Connection connection;
  connection.port = silent.local_endpoint().port();
  const absl::Status late =
      WebSocket::Open(connection, "/", {.handshake = absl::Milliseconds(50)}).status();
  EXPECT_EQ(late.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_THAT(std::string(late.message()), HasSubstr("did not answer within 50ms"));
}

TEST(WebSocketTest, AServerThatCutsTheConnectionIsUnavailable) {
  Peer peer([](Stream& stream) { stream.next_layer().close(); });
  const auto socket = peer.Connect(absl::Seconds(30));
  ASSERT_NE(socket, nullptr);
  EXPECT_EQ(socket->Next(-1).status().code(), absl::StatusCode::kUnavailable);
}

TEST(WebSocketTest, AServerThatClosesIsOutOfRangeWithItsReason) {
  Peer peer([](Stream& stream) {
    beast::error_code ignored;
    stream.close({websocket::close_code::try_again_later, "too slow"}, ignored);
  });
  const auto socket = peer.Connect(absl::Seconds(30));
  ASSERT_NE(socket, nullptr);
  const absl::Status end = socket->Next(-1).status();
  EXPECT_EQ(end.code(), absl::StatusCode::kOutOfRange);
  EXPECT_THAT(std::string(end.message()), HasSubstr("1013: too slow"));
}

TEST(WebSocketTest, ItIsReadyOnlyWhileAMessageHasArrived) {
  Peer peer([](Stream& stream) {
    RawFrames client(stream.next_layer());
    client.Send("\x81\x03one\x81\x03two");
    client.WaitForPing();  // Until the client goes.
  });
  const auto socket = peer.Connect(absl::Seconds(30));
  ASSERT_NE(socket, nullptr);
  EXPECT_EQ(socket->Next(-1).value_or("lost"), "one");
  EXPECT_TRUE(socket->Ready());
  EXPECT_TRUE(socket->Ready());
  EXPECT_EQ(socket->Next(-1).value_or("lost"), "two");
  EXPECT_FALSE(socket->Ready());
}

TEST(WebSocketTest, AnEndIsNotReady) {
  Peer peer([](Stream& stream) { stream.next_layer().close(); });
  const auto socket = peer.Connect(absl::Seconds(30));
  ASSERT_NE(socket, nullptr);
  EXPECT_FALSE(socket->Ready());
  EXPECT_EQ(socket->Next(-1).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_FALSE(socket->Ready());
}

TEST(EventsTest, ExitCodeAndTextSayHowTheStreamEnded) {
  const struct {
    std::function<void(Stream&)> act;
    absl::Duration ping_after;
    int exit_code;
    std::string_view text;
  } ends[] = {
      {[](Stream& stream) {
         beast::error_code ignored;
         stream.close({websocket::close_code::normal, "token revoked"}, ignored);
       },
       absl::Seconds(30), 1, "1000: token revoked"},
      {[](Stream& stream) { stream.next_layer().close(); }, absl::Seconds(30), 2, "broke"},
      {[](Stream& stream) {
         RawFrames client(stream.next_layer());
         while (client.WaitForPing()) {
         }
       },
       absl::Milliseconds(50), 2, "is lost: it has sent nothing for 100ms and answers no ping"},
  };
  for (const auto& end : ends) {
    Peer peer(end.act);
    std::istringstream in;
    std::ostringstream out;
    std::ostringstream err;
    Terminal terminal{.in = &in,
                      .out = &out,
                      .err = &err,
                      .ping_after = end.ping_after,
                      .environment = [](const char*) { return std::nullopt; }};
    EXPECT_EQ(RunEvents(terminal, {"subscribe", "-address", peer.Address(), "kv*"}), end.exit_code)
        << err.str();
    EXPECT_THAT(err.str(), HasSubstr(std::string(end.text)));
  }
}

// JSON has none of them: a server that sends them means the reader's terminal.
TEST(EventsTest, WhatAServerSendsDoesNothingToTheTerminal) {
  Peer peer([](Stream& stream) {
    stream.text(true);
    for (const std::string_view message : {"{\"a\":\"\xc3\xa4\"}\n", "\x1b[2J\x1b]0;x\x07"})
      stream.write(boost::asio::buffer(message.data(), message.size()));
    stream.close(websocket::close_code::normal);
  });
  std::istringstream in;
  std::ostringstream out;
  std::ostringstream err;
  Terminal terminal{
      .in = &in, .out = &out, .err = &err, .environment = [](const char*) { return std::nullopt; }};
  EXPECT_EQ(RunEvents(terminal, {"subscribe", "-address", peer.Address(), "kv*"}), 1);
  EXPECT_EQ(out.str(), "{\"a\":\"\xc3\xa4\"}\n\\x1b[2J\\x1b]0;x\\x07\n");
}

}  // namespace
}  // namespace belfry::cli
