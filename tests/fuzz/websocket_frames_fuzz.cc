// What a subscriber sends: one byte that says how it comes, then the frames. (RFC 6455)

#include "server/http/websocket_frames.h"

#include <string>
#include <vector>

#include "tests/fuzz/fuzz.h"

namespace belfry::http {
namespace {

constexpr std::size_t kMaxControlPayload = 125;

std::vector<ClientFrame> Read(std::string_view bytes, std::size_t piece_bytes) {
  FrameReader reader;
  std::vector<ClientFrame> frames;
  while (!bytes.empty()) {
    const std::string_view piece = bytes.substr(0, piece_bytes);
    for (ClientFrame& frame : reader.Feed(piece)) frames.push_back(std::move(frame));
    bytes.remove_prefix(piece.size());
  }
  return frames;
}

bool Same(const std::vector<ClientFrame>& a, const std::vector<ClientFrame>& b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i].kind != b[i].kind || a[i].payload != b[i].payload) return false;
  }
  return true;
}

void ExamineFrames(const std::vector<ClientFrame>& frames) {
  for (std::size_t i = 0; i < frames.size(); ++i) {
    const bool is_data = frames[i].kind == ClientFrame::Kind::kData;
    const bool is_error = frames[i].kind == ClientFrame::Kind::kProtocolError;
    BELFRY_CLAIM(frames[i].payload.size() <= kMaxControlPayload);
    BELFRY_CLAIM(frames[i].payload.empty() || !(is_data || is_error));
    BELFRY_CLAIM(!is_error || i + 1 == frames.size());
  }
}

// What this side writes, masked as a client would, is what the reader reads.
void ExamineOwnFrame(std::string_view payload) {
  std::string frame = ControlFrame(Opcode::kPing, payload);
  constexpr std::size_t kHeaderBytes = 2;
  BELFRY_CLAIM(frame.size() <= kHeaderBytes + kMaxControlPayload);
  const std::string sent = frame.substr(kHeaderBytes);
  frame[1] = static_cast<char>(frame[1] | 0x80);
  constexpr std::size_t kMaskBytes = 4;
  frame.insert(kHeaderBytes, kMaskBytes, '\0');
  const std::vector<ClientFrame> frames = Read(frame, frame.size());
  BELFRY_CLAIM(frames.size() == 1 && frames[0].kind == ClientFrame::Kind::kPing);
  BELFRY_CLAIM(frames[0].payload == sent);
}

// A close is answered with one frame, and never with more of the client's than its code.
void ExamineCloseReply(std::string_view payload) {
  const std::string reply = CloseReply(payload.substr(0, kMaxControlPayload));
  BELFRY_CLAIM(reply.size() == 2 || reply.size() == 4);
  BELFRY_CLAIM(reply[0] == '\x88' && static_cast<std::size_t>(reply[1]) == reply.size() - 2);
}

}  // namespace
}  // namespace belfry::http

void belfry::fuzz::Examine(std::string_view input) {
  if (input.empty()) return;
  const auto piece_bytes = static_cast<unsigned char>(input.front());
  input.remove_prefix(1);
  const std::vector<http::ClientFrame> frames = http::Read(input, input.size());
  BELFRY_CLAIM(http::Same(frames, http::Read(input, piece_bytes == 0 ? 1 : piece_bytes)));
  http::ExamineFrames(frames);
  http::ExamineOwnFrame(input);
  http::ExamineCloseReply(input);
}
