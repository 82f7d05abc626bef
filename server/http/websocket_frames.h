#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace belfry::http {

// RFC 6455 frames, as far as a server needs them that only sends: headers for what it sends whole
// and unmasked, and a reader of what clients may say, which is control frames. No sockets.

enum class Opcode : std::uint8_t { kText = 1, kBinary = 2, kClose = 8, kPing = 9, kPong = 10 };

// RFC 6455 7.4.1.
enum class CloseCode : std::uint16_t {
  kNormal = 1000,
  kGoingAway = 1001,
  kProtocolError = 1002,
  kNotUtf8 = 1007,
  kPolicyViolation = 1008,
  kTryAgainLater = 1013,
};

// What precedes the payload of a server's frame.
struct FrameHeader {
  std::array<char, 10> bytes;
  std::uint8_t size = 0;
  std::string_view View() const { return {bytes.data(), size}; }
};
FrameHeader ServerFrameHeader(Opcode opcode, std::size_t payload_size);

// A whole control frame. Only the first 125 bytes of the payload are sent, which is all that one
// holds.
std::string ControlFrame(Opcode opcode, std::string_view payload);
std::string CloseFrame(CloseCode code, std::string_view reason);
// The frame that answers a client's close: with its code; 1002 for a code that may not be sent or
// half of one, 1007 for a reason that is not UTF-8. (RFC 6455 5.5.1, 7.4, 8.1)
std::string CloseReply(std::string_view payload);

// The Sec-WebSocket-Accept that answers a Sec-WebSocket-Key.
std::string AcceptKey(std::string_view key);

// Something a client said.
struct ClientFrame {
  enum class Kind {
    kPing,
    kPong,
    kClose,
    kData,           // Reported once its header is complete; its payload is skipped.
    kProtocolError,  // Nothing after it can be understood.
  };
  Kind kind;
  std::string payload;  // Of a control frame, unmasked.
};

// Reads a client's frames from a stream of bytes. Not thread-safe. Holds at most one control frame.
class FrameReader {
 public:
  // What is complete with these bytes, in order.
  std::vector<ClientFrame> Feed(std::string_view bytes);

 private:
  bool TakeHeaderByte(char byte);
  void BeginPayload(std::vector<ClientFrame>& frames);
  void EndPayload(std::vector<ClientFrame>& frames);
  std::size_t HeaderSize() const;
  bool HeaderIsValid() const;
  bool IsControl() const { return (header_[0] & 0x08) != 0; }

  std::array<unsigned char, 14> header_{};
  std::size_t header_size_ = 0;
  bool in_payload_ = false;
  bool broken_ = false;
  std::uint64_t remaining_ = 0;
  std::string payload_;
};

}  // namespace belfry::http
