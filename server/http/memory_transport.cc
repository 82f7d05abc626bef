#include "server/http/memory_transport.h"

#include <algorithm>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <cstring>
#include <limits>
#include <utility>

namespace belfry::http {

namespace asio = boost::asio;
using boost::system::error_code;

struct MemoryClient::Wire {
  static constexpr std::size_t kUnbounded = std::numeric_limits<std::size_t>::max();

  explicit Wire(asio::io_context* io) : strand(asio::make_strand(*io)) {}

  const Strand strand;
  std::string to_server;
  std::string to_client;
  bool client_finished = false;
  bool server_finished = false;
  error_code failure;  // What every operation ends with: it is closed or broken.
  bool closed = false;
  std::size_t room = kUnbounded;
  std::size_t max_write = kUnbounded;
  std::size_t max_read = kUnbounded;
  std::optional<std::size_t> unsent_limit;
  asio::mutable_buffer buffer;
  Transport::ReadHandler read;
  Transport::WaitHandler wait;

  void Fail(error_code error) {
    if (!failure) failure = error;
    CompleteRead();
    CompleteWait();
  }

  // If it can be.
  void CompleteRead() {
    if (read == nullptr || (!failure && to_server.empty() && !client_finished)) return;
    error_code error = failure;
    std::size_t size = 0;
    if (!error && to_server.empty()) error = asio::error::eof;
    if (!error) {
      size = std::min({to_server.size(), buffer.size(), max_read});
      std::memcpy(buffer.data(), to_server.data(), size);
      to_server.erase(0, size);
    }
    asio::post(strand,
               [done = std::exchange(read, nullptr), error, size]() mutable { done(error, size); });
  }

  void CompleteWait() {
    if (wait == nullptr || (!failure && room == 0)) return;
    asio::post(strand,
               [done = std::exchange(wait, nullptr), error = failure]() mutable { done(error); });
  }
};

class MemoryClient::End final : public Transport {
 public:
  explicit End(std::shared_ptr<Wire> wire) : wire_(std::move(wire)) {}
  ~End() override { Close(); }

  Strand strand() override { return wire_->strand; }
  std::string PeerAddress() const override { return "192.0.2.1"; }

  void ReadSome(asio::mutable_buffer buffer, ReadHandler done) override {
    wire_->buffer = buffer;
    wire_->read = std::move(done);
    wire_->CompleteRead();
  }

  std::optional<std::size_t> WriteSome(std::span<const iovec> pieces) override {
    if (wire_->failure || wire_->server_finished) return std::nullopt;
    std::size_t taken = 0;
    for (const iovec& piece : pieces) {
      const std::size_t size = std::min({piece.iov_len, wire_->room, wire_->max_write - taken});
      wire_->to_client.append(static_cast<const char*>(piece.iov_base), size);
      wire_->room -= size;
      taken += size;
    }
    return taken;
  }

  void AwaitWritable(WaitHandler done) override {
    wire_->wait = std::move(done);
    wire_->CompleteWait();
  }

  void LimitUnsent(std::size_t bytes) override { wire_->unsent_limit = bytes; }
  void ShutdownSend() override { wire_->server_finished = true; }

  void Close() override {
    wire_->closed = true;
    wire_->Fail(asio::error::operation_aborted);
  }

 private:
  const std::shared_ptr<Wire> wire_;
};

MemoryClient::MemoryClient(asio::io_context* io) : wire_(std::make_shared<Wire>(io)) {}

MemoryClient::~MemoryClient() {
  // The handlers own the session, and so the wire.
  Break();
}

std::unique_ptr<Transport> MemoryClient::Connect() {
  return std::make_unique<End>(wire_);
}

void MemoryClient::Send(std::string_view bytes) {
  wire_->to_server += bytes;
  wire_->CompleteRead();
}

void MemoryClient::FinishSending() {
  wire_->client_finished = true;
  wire_->CompleteRead();
}

std::string MemoryClient::TakeReceived() {
  return std::exchange(wire_->to_client, {});
}

bool MemoryClient::server_finished() const {
  return wire_->server_finished;
}

bool MemoryClient::closed() const {
  return wire_->closed;
}

void MemoryClient::SetRoom(std::size_t bytes) {
  wire_->room = bytes;
  wire_->CompleteWait();
}

void MemoryClient::SetMaxWrite(std::size_t bytes) {
  wire_->max_write = bytes;
}

void MemoryClient::SetMaxRead(std::size_t bytes) {
  wire_->max_read = bytes;
}

void MemoryClient::Break() {
  wire_->Fail(asio::error::connection_reset);
}

bool MemoryClient::awaited() const {
  return wire_->wait != nullptr;
}

std::size_t MemoryClient::read_size() const {
  return wire_->read == nullptr ? 0 : wire_->buffer.size();
}

std::optional<std::size_t> MemoryClient::unsent_limit() const {
  return wire_->unsent_limit;
}

}  // namespace belfry::http
