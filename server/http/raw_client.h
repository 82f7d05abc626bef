#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace belfry::http {

// A client that says exactly what a test tells it to, right or wrong. Blocking; a read that waits
// longer than 20 s has nothing. Not thread-safe.
class RawClient {
 public:
  // `receive_buffer`: as SO_RCVBUF, in bytes; 0: the system's.
  explicit RawClient(std::uint16_t port, int receive_buffer = 0);
  ~RawClient();
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;

  bool connected() const { return socket_ >= 0; }
  // False when the server no longer takes it.
  bool Send(std::string_view bytes);
  void FinishSending();

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

  int socket_ = -1;
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
