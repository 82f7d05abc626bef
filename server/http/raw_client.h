#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace belfry::http {

// The bytes of a client's connection. Blocking; not thread-safe.
class ClientWire {
 public:
  virtual ~ClientWire() = default;
  virtual bool connected() const = 0;
  // False when the server no longer takes it.
  virtual bool Send(std::string_view bytes) = 0;
  virtual void FinishSending() = 0;
  // As recv(2), also in errno; one that waits longer than 20 s fails with EAGAIN.
  virtual ssize_t Receive(char* buffer, std::size_t size) = 0;
};

// A TCP connection to this machine. `receive_buffer`: as SO_RCVBUF, in bytes; 0: the system's.
std::unique_ptr<ClientWire> ConnectTcp(std::uint16_t port, int receive_buffer = 0);

// A client that says exactly what a test tells it to, right or wrong. Blocking; a read that waits
// longer than 20 s has nothing. Not thread-safe.
class RawClient {
 public:
  // `receive_buffer`: as for ConnectTcp.
  explicit RawClient(std::uint16_t port, int receive_buffer = 0)
      : RawClient(ConnectTcp(port, receive_buffer)) {}
  explicit RawClient(std::unique_ptr<ClientWire> wire) : wire_(std::move(wire)) {}

  bool connected() const { return wire_->connected(); }
  // False when the server no longer takes it.
  bool Send(std::string_view bytes) { return wire_->Send(bytes); }
  void FinishSending() { wire_->FinishSending(); }

  struct Response {
    int status = 0;  // 0: the connection ended first.
    std::string head;
    std::string body;
  };
  // One response; `bodiless` when it answers a HEAD.
  enum class Body { kByLength, kNone };
  Response ReadResponse(Body body = Body::kByLength);

  // A WebSocket frame from the server; nullopt when the connection has ended.
  struct Frame {
    int opcode = 0;
    std::string payload;
  };
  std::optional<Frame> ReadFrame();
  // Waits until something comes; false when the connection has ended.
  bool AwaitBytes();
  // A masked frame.
  bool SendFrame(int opcode, std::string_view payload);

  // Whether the server ends the connection without sending anything more. False also when neither
  // happens within 20 s.
  bool Ended();

 private:
  bool Fill();
  bool Need(std::size_t bytes);

  const std::unique_ptr<ClientWire> wire_;
  std::string received_;
  bool ended_ = false;  // The connection, by the server.
};

// The code and reason of a close frame, as "1008 reason".
std::string CloseText(const RawClient::Frame& frame);

// A request as a client sends it; one with a body has its length, too.
std::string Request(std::string_view first_line, std::string_view headers = "",
                    std::string_view body = "");

// Asks FakeApi for events as JSON.
inline constexpr char kSubscribe[] = "GET /v1/sys/events/subscribe/json";
// The headers of a WebSocket upgrade.
inline constexpr char kUpgrade[] =
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

}  // namespace belfry::http
