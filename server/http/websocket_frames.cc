#include "server/http/websocket_frames.h"

#include <openssl/evp.h>

#include <algorithm>

#include "base/utf8.h"

namespace belfry::http {
namespace {

constexpr unsigned char kFinal = 0x80;
constexpr unsigned char kReserved = 0x70;
constexpr unsigned char kMasked = 0x80;
constexpr std::size_t kMaxControlPayload = 125;

enum : unsigned char {
  kContinuation = 0,
  kText = 1,
  kBinary = 2,
  kClose = 8,
  kPing = 9,
  kPong = 10
};

bool IsKnownOpcode(unsigned char opcode) {
  return opcode <= kBinary || (opcode >= kClose && opcode <= kPong);
}

// RFC 6455 7.4.2, and what IANA has registered since.
bool MayBeSent(unsigned close_code) {
  const bool reserved = close_code == 1004 || close_code == 1005 || close_code == 1006;
  return (close_code >= 1000 && close_code <= 1014 && !reserved) ||
         (close_code >= 3000 && close_code <= 4999);
}

bool IsUtf8(std::string_view text) {
  while (!text.empty()) {
    const Utf8Character character = FirstCharacter(text);
    if (!character.valid) return false;
    text.remove_prefix(character.size);
  }
  return true;
}

}  // namespace

FrameHeader ServerFrameHeader(Opcode opcode, std::size_t payload_size) {
  FrameHeader header;
  header.bytes[0] = static_cast<char>(kFinal | static_cast<unsigned char>(opcode));
  const int length_bytes = payload_size <= 125 ? 0 : payload_size <= 0xFFFF ? 2 : 8;
  header.bytes[1] = static_cast<char>(length_bytes == 0   ? payload_size
                                      : length_bytes == 2 ? 126
                                                          : 127);
  for (int i = 0; i < length_bytes; ++i) {
    header.bytes[2 + i] = static_cast<char>(payload_size >> (8 * (length_bytes - 1 - i)));
  }
  header.size = static_cast<std::uint8_t>(2 + length_bytes);
  return header;
}

std::string ControlFrame(Opcode opcode, std::string_view payload) {
  payload = payload.substr(0, kMaxControlPayload);
  std::string frame(ServerFrameHeader(opcode, payload.size()).View());
  frame += payload;
  return frame;
}

std::string CloseFrame(CloseCode code, std::string_view reason) {
  const auto number = static_cast<std::uint16_t>(code);
  std::string payload = {static_cast<char>(number >> 8), static_cast<char>(number & 0xFF)};
  payload += reason;
  return ControlFrame(Opcode::kClose, payload);
}

std::string CloseReply(std::string_view payload) {
  if (payload.empty()) return ControlFrame(Opcode::kClose, "");
  if (payload.size() == 1) return CloseFrame(CloseCode::kProtocolError, "");
  const unsigned code =
      static_cast<unsigned char>(payload[0]) << 8 | static_cast<unsigned char>(payload[1]);
  if (!MayBeSent(code)) return CloseFrame(CloseCode::kProtocolError, "");
  if (!IsUtf8(payload.substr(2))) return CloseFrame(CloseCode::kNotUtf8, "");
  return ControlFrame(Opcode::kClose, payload.substr(0, 2));
}

std::string AcceptKey(std::string_view key) {
  std::string text(key);
  text += "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned int size = 0;
  EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha1(), nullptr);
  std::array<unsigned char, 64> encoded;
  const int length = EVP_EncodeBlock(encoded.data(), digest.data(), static_cast<int>(size));
  return std::string(encoded.begin(), encoded.begin() + length);
}

std::vector<ClientFrame> FrameReader::Feed(std::string_view bytes) {
  std::vector<ClientFrame> frames;
  while (!bytes.empty() && !broken_) {
    if (!in_payload_) {
      if (TakeHeaderByte(bytes.front())) BeginPayload(frames);
      bytes.remove_prefix(1);
      continue;
    }
    const std::size_t taken =
        static_cast<std::size_t>(std::min<std::uint64_t>(bytes.size(), remaining_));
    if (IsControl()) payload_ += bytes.substr(0, taken);
    bytes.remove_prefix(taken);
    remaining_ -= taken;
    if (remaining_ == 0) EndPayload(frames);
  }
  return frames;
}

// True when the header is complete.
bool FrameReader::TakeHeaderByte(char byte) {
  header_[header_size_++] = static_cast<unsigned char>(byte);
  return header_size_ >= 2 && header_size_ == HeaderSize();
}

std::size_t FrameReader::HeaderSize() const {
  const unsigned char length = header_[1] & 0x7F;
  const std::size_t extended = length == 126 ? 2 : length == 127 ? 8 : 0;
  return 2 + extended + ((header_[1] & kMasked) != 0 ? 4 : 0);
}

bool FrameReader::HeaderIsValid() const {
  const unsigned char opcode = header_[0] & 0x0F;
  if ((header_[0] & kReserved) != 0 || !IsKnownOpcode(opcode)) return false;
  // Only a message that was refused could be continued, so a continuation is a message, too.
  if ((header_[1] & kMasked) == 0) return false;
  if (IsControl()) return (header_[0] & kFinal) != 0 && (header_[1] & 0x7F) <= kMaxControlPayload;
  // Lengths are written as short as they can be, and below 2^63. (5.2)
  const unsigned char length = header_[1] & 0x7F;
  if (length == 126) return (header_[2] << 8 | header_[3]) > 125;
  if (length != 127) return true;
  const bool fits_in_two =
      std::all_of(&header_[2], &header_[8], [](auto byte) { return byte == 0; });
  return header_[2] < 0x80 && !fits_in_two;
}

void FrameReader::BeginPayload(std::vector<ClientFrame>& frames) {
  if (!HeaderIsValid()) {
    broken_ = true;
    frames.push_back({ClientFrame::Kind::kProtocolError, ""});
    return;
  }
  remaining_ = header_[1] & 0x7F;
  const std::size_t extended = remaining_ == 126 ? 2 : remaining_ == 127 ? 8 : 0;
  if (extended != 0) {
    remaining_ = 0;
    for (std::size_t i = 0; i < extended; ++i) remaining_ = (remaining_ << 8) | header_[2 + i];
  }
  in_payload_ = true;
  payload_.clear();
  if (!IsControl()) frames.push_back({ClientFrame::Kind::kData, ""});
  if (remaining_ == 0) EndPayload(frames);
}

void FrameReader::EndPayload(std::vector<ClientFrame>& frames) {
  const unsigned char* mask = &header_[header_size_ - 4];
  for (std::size_t i = 0; i < payload_.size(); ++i) {
    payload_[i] = static_cast<char>(static_cast<unsigned char>(payload_[i]) ^ mask[i % 4]);
  }
  const unsigned char opcode = header_[0] & 0x0F;
  if (IsControl()) {
    const ClientFrame::Kind kind = opcode == kClose  ? ClientFrame::Kind::kClose
                                   : opcode == kPing ? ClientFrame::Kind::kPing
                                                     : ClientFrame::Kind::kPong;
    frames.push_back({kind, std::move(payload_)});
  }
  payload_.clear();
  header_size_ = 0;
  in_payload_ = false;
}

}  // namespace belfry::http
