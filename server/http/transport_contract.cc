#include "server/http/transport_contract.h"

#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <chrono>
#include <limits>
#include <vector>

#include "gmock/gmock.h"
#include "server/http/gather.h"
#include "server/http/memory_transport.h"
#include "server/http/session_fixture.h"
#include "server/http/tcp_transport.h"

namespace belfry::http {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

constexpr std::size_t kStalledRoom = 100'000;

class MemoryPeer final : public Peer {
 public:
  explicit MemoryPeer(asio::io_context* io) : client_(io) {}

  std::unique_ptr<Transport> Connect() { return client_.Connect(); }

  void Send(std::string_view bytes) override { client_.Send(bytes); }
  void FinishSending() override { client_.FinishSending(); }
  void Reset() override { client_.Break(); }
  void Stall() override { client_.SetRoom(kStalledRoom); }
  void Resume() override { client_.SetRoom(std::numeric_limits<std::size_t>::max()); }
  bool Pump() override { return false; }
  std::string TakeReceived() override { return client_.TakeReceived(); }
  bool finished() const override { return client_.server_finished(); }

 private:
  MemoryClient client_;
};

class TcpPeer final : public Peer {
 public:
  explicit TcpPeer(tcp::socket socket) : socket_(std::move(socket)) { Read(); }

  void Send(std::string_view bytes) override { asio::write(socket_, asio::buffer(bytes)); }
  void FinishSending() override { socket_.shutdown(tcp::socket::shutdown_send); }
  void Reset() override {
    socket_.set_option(tcp::socket::linger(true, 0));
    socket_.close();
  }
  void Stall() override {
    stalled_ = true;
    reading_ = false;
    socket_.cancel();
  }
  void Resume() override {
    stalled_ = false;
    if (!reading_) Read();
  }
  bool Pump() override { return false; }
  std::string TakeReceived() override { return std::exchange(received_, {}); }
  bool finished() const override { return finished_; }

 private:
  void Read() {
    reading_ = true;
    socket_.async_read_some(asio::buffer(buffer_), [this](error_code error, std::size_t size) {
      if (error && error != asio::error::eof) return;
      reading_ = false;
      received_.append(buffer_.data(), size);
      finished_ = error == asio::error::eof;
      if (!finished_ && !stalled_) Read();
    });
  }

  tcp::socket socket_;
  std::array<char, 65536> buffer_;
  std::string received_;
  bool reading_ = false;
  bool stalled_ = false;
  bool finished_ = false;
};

class SimpleWorld final : public TransportWorld {
 public:
  explicit SimpleWorld(Ends (*connect)(asio::io_context&)) : connect_(connect) {}
  Ends Connect(asio::io_context& io) override { return connect_(io); }

 private:
  Ends (*const connect_)(asio::io_context&);
};

}  // namespace

Ends ConnectThroughMemory(asio::io_context& io) {
  auto peer = std::make_unique<MemoryPeer>(&io);
  std::unique_ptr<Transport> transport = peer->Connect();
  return {std::move(transport), std::move(peer)};
}

Ends ConnectThroughTcp(asio::io_context& io) {
  tcp::acceptor acceptor(io, {asio::ip::address_v4::loopback(), 0});
  tcp::socket client(io);
  client.connect(acceptor.local_endpoint());
  Socket socket = acceptor.accept(asio::make_strand(io));
  return {std::make_unique<TcpTransport>(std::move(socket), std::chrono::seconds(7)),
          std::make_unique<TcpPeer>(std::move(client))};
}

TransportKind MemoryKind() {
  return {"Memory", "192.0.2.1",
          [] { return std::make_unique<SimpleWorld>(ConnectThroughMemory); }};
}

TransportKind TcpKind() {
  return {"Tcp", "127.0.0.1", [] { return std::make_unique<SimpleWorld>(ConnectThroughTcp); }};
}

bool TransportTest::Pump() {
  const bool pumped = peer().Pump();
  const std::string received = peer().TakeReceived();
  received_ += received;
  return pumped || !received.empty();
}

bool TransportTest::RunUntil(const std::function<bool()>& done) {
  for (;;) {
    http::Poll(io_);
    const bool moved = Pump();
    if (done()) return true;
    if (moved) continue;
    io_.restart();
    if (io_.run_one_for(kPatience) == 0) return false;
  }
}

void TransportTest::AwaitWritable() {
  std::optional<error_code> waited;
  transport().AwaitWritable([&](error_code error) { waited = error; });
  EXPECT_FALSE(waited.has_value());
  ASSERT_TRUE(RunUntil([&] { return waited.has_value(); }));
  EXPECT_EQ(*waited, error_code());
}

std::optional<std::size_t> TransportTest::Write(std::string_view bytes) {
  Gather<1> gather(0);
  gather.Add(bytes);
  return transport().WriteSome(gather.pieces());
}

std::pair<error_code, std::string> TransportTest::Read() {
  std::string buffer(100, '\0');
  std::optional<std::pair<error_code, std::size_t>> read;
  transport().ReadSome(asio::buffer(buffer),
                       [&](error_code error, std::size_t size) { read.emplace(error, size); });
  EXPECT_FALSE(read.has_value());
  EXPECT_TRUE(RunUntil([&] { return read.has_value(); }));
  if (!read) return {};
  return {read->first, buffer.substr(0, read->second)};
}

std::string TransportTest::Receive(std::size_t size) {
  EXPECT_TRUE(RunUntil([&] { return received_.size() >= size; }));
  return std::exchange(received_, {});
}

namespace {

TEST_P(TransportContract, KnowsItsPeer) {
  EXPECT_EQ(transport().PeerAddress(), GetParam().peer_address);
}

TEST_P(TransportContract, PiecesLeaveTogetherAndInOrder) {
  AwaitWritable();
  std::vector<std::string> pieces;
  Gather<Transport::kMaxPieces> gather(3);
  std::string all;
  for (std::size_t i = 0; i < Transport::kMaxPieces; ++i) {
    all += pieces.emplace_back(std::to_string(i) + (i == 0 ? ".." : ""));
  }
  for (const std::string& piece : pieces) gather.Add(piece);
  all.erase(0, 3);
  EXPECT_EQ(transport().WriteSome(gather.pieces()), all.size());
  EXPECT_EQ(Receive(all.size()), all);
}

TEST_P(TransportContract, PiecesOfEverySizeArrive) {
  AwaitWritable();
  std::vector<std::string> pieces;
  for (const std::size_t size : {1, 0, 16383, 2, 16384, 0, 16385, 40'000, 3, 0}) {
    pieces.push_back(std::string(size, static_cast<char>('a' + pieces.size())));
  }
  std::string all;
  for (const std::string& piece : pieces) all += piece;
  for (std::size_t sent = 0; sent < all.size();) {
    Gather<20> gather(sent);
    for (const std::string& piece : pieces) gather.Add(piece);
    const std::optional<std::size_t> size = transport().WriteSome(gather.pieces());
    ASSERT_TRUE(size.has_value());
    sent += *size;
    if (*size == 0) AwaitWritable();
  }
  EXPECT_TRUE(Receive(all.size()) == all);
}

TEST_P(TransportContract, ToWriteNothingDoesNothing) {
  AwaitWritable();
  EXPECT_EQ(transport().WriteSome({}), 0u);
  EXPECT_EQ(Write(""), 0u);
  EXPECT_EQ(Write("x"), 1u);
  EXPECT_EQ(Receive(1), "x");
}

TEST_P(TransportContract, WhatThereIsNoRoomForFollowsOnceThereIs) {
  AwaitWritable();
  transport().LimitUnsent(4096);
  peer().Stall();
  std::string all;
  for (int i = 0; i < 300'000; ++i) all += std::to_string(i);
  std::size_t sent = 0;
  bool waited = false;
  while (sent < all.size()) {
    const std::optional<std::size_t> size = Write(std::string_view(all).substr(sent));
    ASSERT_TRUE(size.has_value());
    sent += *size;
    if (*size > 0) continue;
    // It is full for the first time before anything is read.
    if (!std::exchange(waited, true)) peer().Resume();
    AwaitWritable();
  }
  EXPECT_TRUE(waited);
  EXPECT_TRUE(Receive(all.size()) == all);
}

TEST_P(TransportContract, WhatHasBeenTakenLeavesWithoutFurtherCalls) {
  AwaitWritable();
  peer().Stall();
  const std::string much(200'000, 'x');
  std::size_t taken = 0;
  while (const std::size_t size = Write(much).value()) taken += size;
  peer().Resume();
  EXPECT_EQ(Receive(taken).size(), taken);
}

TEST_P(TransportContract, TheEndComesAfterAllThatHasBeenTaken) {
  AwaitWritable();
  peer().Stall();
  const std::string much(200'000, 'x');
  std::size_t taken = 0;
  while (const std::size_t size = Write(much).value()) taken += size;
  transport().ShutdownSend();
  peer().Resume();
  EXPECT_TRUE(RunUntil([&] { return peer().finished(); }));
  EXPECT_EQ(received_.size(), taken);
  EXPECT_EQ(Write("more"), std::nullopt);
}

TEST_P(TransportContract, ReadsWhatComesAndThenTheEnd) {
  peer().Send("hello");
  EXPECT_EQ(Read(), std::pair(error_code(), std::string("hello")));
  peer().Send(std::string(150, 'x'));
  EXPECT_EQ(Read().second, std::string(100, 'x'));
  EXPECT_EQ(Read().second, std::string(50, 'x'));
  peer().FinishSending();
  EXPECT_EQ(Read().first, asio::error::eof);
  EXPECT_EQ(Read().first, asio::error::eof);
}

TEST_P(TransportContract, WritingGoesOnAfterThePeersEnd) {
  AwaitWritable();
  peer().FinishSending();
  EXPECT_EQ(Read().first, asio::error::eof);
  EXPECT_EQ(Write("bye"), 3u);
  EXPECT_EQ(Receive(3), "bye");
}

TEST_P(TransportContract, ReadingGoesOnAfterShutdownSend) {
  AwaitWritable();
  EXPECT_EQ(Write("bye"), 3u);
  transport().ShutdownSend();
  EXPECT_TRUE(RunUntil([&] { return peer().finished(); }));
  EXPECT_EQ(received_, "bye");
  peer().Send("more");
  EXPECT_EQ(Read().second, "more");
}

TEST_P(TransportContract, WaitsForRoomWhileItReads) {
  AwaitWritable();
  std::string buffer(100, '\0');
  std::optional<std::size_t> read;
  transport().ReadSome(asio::buffer(buffer), [&](error_code, std::size_t size) { read = size; });
  AwaitWritable();
  EXPECT_FALSE(read.has_value());
  peer().Send("hello");
  EXPECT_TRUE(RunUntil([&] { return read.has_value(); }));
  EXPECT_EQ(buffer.substr(0, *read), "hello");
}

TEST_P(TransportContract, CloseEndsWhatIsUnderWay) {
  AwaitWritable();
  peer().Stall();
  while (Write(std::string(100'000, 'x')).value() > 0) continue;
  std::string buffer(100, '\0');
  error_code read;
  error_code waited;
  transport().ReadSome(asio::buffer(buffer), [&](error_code error, std::size_t) { read = error; });
  transport().AwaitWritable([&](error_code error) { waited = error; });
  http::Poll(io_);
  EXPECT_FALSE(read);
  EXPECT_FALSE(waited);
  transport().Close();
  transport().Close();
  EXPECT_FALSE(read);
  EXPECT_FALSE(waited);
  http::Poll(io_);
  EXPECT_EQ(read, asio::error::operation_aborted);
  EXPECT_EQ(waited, asio::error::operation_aborted);
  EXPECT_EQ(Write("more"), std::nullopt);
  EXPECT_TRUE(Read().first);
}

TEST_P(TransportContract, WhatIsUnderWayEndsWithTheTransport) {
  std::string buffer(100, '\0');
  error_code read;
  transport().ReadSome(asio::buffer(buffer), [&](error_code error, std::size_t) { read = error; });
  http::Poll(io_);
  ends_.transport.reset();
  EXPECT_FALSE(read);
  http::Poll(io_);
  EXPECT_EQ(read, asio::error::operation_aborted);
}

TEST_P(TransportContract, IsBrokenWithoutASignalOnceThePeerHasReset) {
  AwaitWritable();
  peer().Reset();
  EXPECT_EQ(Read().first, asio::error::connection_reset);
  EXPECT_EQ(Write("more"), std::nullopt);
}

}  // namespace
}  // namespace belfry::http
