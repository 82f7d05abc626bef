#pragma once

#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <utility>

#include "gtest/gtest.h"
#include "server/http/transport.h"

// What every Transport promises, as tests that run over each kind: INSTANTIATE_TEST_SUITE_P(Name,
// TransportContract, Values(...)) in a program that transport_contract.cc is part of.

namespace belfry::http {

// The other end of a connection, on the test's own thread.
class Peer {
 public:
  virtual ~Peer() = default;
  virtual void Send(std::string_view bytes) = 0;
  virtual void FinishSending() = 0;
  // The connection breaks.
  virtual void Reset() = 0;
  // From now on it takes only some 100 kB; or again all that comes.
  virtual void Stall() = 0;
  virtual void Resume() = 0;
  // Does what does not need the io_context; whether there was anything to do.
  virtual bool Pump() = 0;
  // What has come since this was last called.
  virtual std::string TakeReceived() = 0;
  // Whether the transport's end has finished sending.
  virtual bool finished() const = 0;
};

struct Ends {
  std::unique_ptr<Transport> transport;
  std::unique_ptr<Peer> peer;
};

Ends ConnectThroughMemory(boost::asio::io_context& io);
// Over loopback.
Ends ConnectThroughTcp(boost::asio::io_context& io);

// Where connections of a kind come about. Outlives the io_context.
class TransportWorld {
 public:
  virtual ~TransportWorld() = default;
  virtual Ends Connect(boost::asio::io_context& io) = 0;
};

struct TransportKind {
  std::string name;
  std::string peer_address;
  std::function<std::unique_ptr<TransportWorld>()> new_world;
};
inline std::ostream& operator<<(std::ostream& out, const TransportKind& kind) {
  return out << kind.name;
}

// The kinds that need nothing around them.
TransportKind MemoryKind();
TransportKind TcpKind();

// Both ends of a connection on the test's thread.
class TransportTest : public ::testing::Test {
 protected:
  explicit TransportTest(std::unique_ptr<TransportWorld> world)
      : world_(std::move(world)), ends_(world_->Connect(io_)) {}

  Transport& transport() { return *ends_.transport; }
  Peer& peer() { return *ends_.peer; }

  // Runs handlers and the peer until `done`; false when there is nothing to run any more.
  bool RunUntil(const std::function<bool()>& done);
  // Waits for the transport to take bytes: when it does, a handshake is done.
  void AwaitWritable();
  std::optional<std::size_t> Write(std::string_view bytes);
  // What is read next, or why nothing is.
  std::pair<boost::system::error_code, std::string> Read();
  // What the peer receives, once it is so much.
  std::string Receive(std::size_t size);

  const std::unique_ptr<TransportWorld> world_;
  boost::asio::io_context io_;
  Ends ends_;
  std::string received_;  // By the peer.

 private:
  bool Pump();
};

class TransportContract : public TransportTest,
                          public ::testing::WithParamInterface<TransportKind> {
 protected:
  TransportContract() : TransportTest(GetParam().new_world()) {}
};

}  // namespace belfry::http
