#include "server/http/transport.h"

#include <netinet/tcp.h>
#include <sys/socket.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/http/gather.h"
#include "server/http/session_fixture.h"
#include "server/http/tcp_transport.h"

namespace belfry::http {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

// Both ends of a connection over loopback.
class TcpTransportTest : public ::testing::Test {
 protected:
  TcpTransportTest() {
    tcp::acceptor acceptor(io_, {asio::ip::address_v4::loopback(), 0});
    client_.connect(acceptor.local_endpoint());
    Socket socket = acceptor.accept(asio::make_strand(io_));
    descriptor_ = socket.native_handle();
    transport_ = std::make_unique<TcpTransport>(std::move(socket), std::chrono::seconds(7));
  }

  int Option(int name) const {
    int value = 0;
    socklen_t size = sizeof value;
    ::getsockopt(descriptor_, IPPROTO_TCP, name, &value, &size);
    return value;
  }

  std::optional<std::size_t> Write(std::string_view bytes) {
    Gather<1> gather(0);
    gather.Add(bytes);
    return transport_->WriteSome(gather.pieces());
  }

  // What is read next, or why nothing is.
  std::pair<error_code, std::string> Read() {
    std::string buffer(100, '\0');
    std::optional<std::pair<error_code, std::size_t>> read;
    transport_->ReadSome(asio::buffer(buffer),
                         [&](error_code error, std::size_t size) { read.emplace(error, size); });
    EXPECT_FALSE(read.has_value());
    EXPECT_TRUE(RunUntil(io_, [&] { return read.has_value(); }));
    return {read->first, buffer.substr(0, read->second)};
  }

  asio::io_context io_;
  tcp::socket client_{io_};
  int descriptor_ = -1;
  std::unique_ptr<Transport> transport_;
};

TEST_F(TcpTransportTest, KnowsItsPeer) {
  EXPECT_EQ(transport_->PeerAddress(), "127.0.0.1");
}

TEST_F(TcpTransportTest, SetsTheSocketsOptions) {
  EXPECT_NE(Option(TCP_NODELAY), 0);
  EXPECT_EQ(Option(TCP_USER_TIMEOUT), 7000);
  transport_->LimitUnsent(4321);
  EXPECT_EQ(Option(TCP_NOTSENT_LOWAT), 4321);
}

TEST_F(TcpTransportTest, PiecesLeaveTogetherAndInOrder) {
  std::vector<std::string> pieces;
  Gather<Transport::kMaxPieces> gather(3);
  std::string all;
  for (std::size_t i = 0; i < Transport::kMaxPieces; ++i) {
    all += pieces.emplace_back(std::to_string(i) + (i == 0 ? ".." : ""));
  }
  for (const std::string& piece : pieces) gather.Add(piece);
  all.erase(0, 3);
  EXPECT_EQ(transport_->WriteSome(gather.pieces()), all.size());
  std::string received(all.size(), '\0');
  asio::read(client_, asio::buffer(received));
  EXPECT_EQ(received, all);
}

TEST_F(TcpTransportTest, WhatTheSocketHasNoRoomForFollows) {
  transport_->LimitUnsent(4096);
  std::string all;
  for (int i = 0; i < 300'000; ++i) all += std::to_string(i);
  std::string received(all.size(), '\0');
  std::thread reader;
  std::size_t sent = 0;
  bool waited = false;
  bool writable = true;
  while (sent < all.size()) {
    const std::optional<std::size_t> size = Write(std::string_view(all).substr(sent));
    ASSERT_TRUE(size.has_value());
    sent += *size;
    if (*size > 0) continue;
    // It is full for the first time before anything is read.
    if (!std::exchange(waited, true)) {
      reader = std::thread([&] { asio::read(client_, asio::buffer(received)); });
    }
    writable = false;
    transport_->AwaitWritable([&](error_code error) { writable = !error; });
    EXPECT_FALSE(writable);
    ASSERT_TRUE(RunUntil(io_, [&] { return writable; }));
  }
  EXPECT_TRUE(waited);
  if (reader.joinable()) reader.join();
  EXPECT_TRUE(received == all);
}

TEST_F(TcpTransportTest, ReadsWhatComesAndThenTheEnd) {
  asio::write(client_, asio::buffer("hello", 5));
  EXPECT_EQ(Read(), std::pair(error_code(), std::string("hello")));
  client_.shutdown(tcp::socket::shutdown_send);
  EXPECT_EQ(Read().first, asio::error::eof);
}

TEST_F(TcpTransportTest, ReadingGoesOnAfterShutdownSend) {
  EXPECT_EQ(Write("bye"), 3u);
  transport_->ShutdownSend();
  std::string received(100, '\0');
  error_code error;
  received.resize(asio::read(client_, asio::buffer(received), error));
  EXPECT_EQ(error, asio::error::eof);
  EXPECT_EQ(received, "bye");
  asio::write(client_, asio::buffer("more", 4));
  EXPECT_EQ(Read().second, "more");
}

TEST_F(TcpTransportTest, CloseEndsTheReadUnderWay) {
  std::string buffer(100, '\0');
  error_code result;
  transport_->ReadSome(asio::buffer(buffer),
                       [&](error_code error, std::size_t) { result = error; });
  Poll(io_);
  EXPECT_FALSE(result);
  transport_->Close();
  transport_->Close();
  EXPECT_FALSE(result);
  Poll(io_);
  EXPECT_EQ(result, asio::error::operation_aborted);
  EXPECT_EQ(Write("more"), std::nullopt);
  EXPECT_TRUE(Read().first);
}

TEST_F(TcpTransportTest, IsBrokenWithoutASignalOnceThePeerHasReset) {
  client_.set_option(tcp::socket::linger(true, 0));
  client_.close();
  EXPECT_EQ(Read().first, asio::error::connection_reset);
  EXPECT_EQ(Write("more"), std::nullopt);
}

}  // namespace
}  // namespace belfry::http
