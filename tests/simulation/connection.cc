#include "tests/simulation/connection.h"

#include <boost/asio/post.hpp>
#include <optional>
#include <utility>

#include "server/http/websocket_frames.h"
#include "server/http/websocket_session.h"

namespace belfry::simulation {
namespace {

// Of the first frame of these bytes; nullopt: it is not whole. (RFC 6455 5.2)
struct Extent {
  std::size_t header = 0;
  std::size_t payload = 0;
};
std::optional<Extent> FirstFrame(std::string_view bytes) {
  if (bytes.size() < 2) return std::nullopt;
  const auto at = [bytes](std::size_t i) { return static_cast<unsigned char>(bytes[i]); };
  const std::size_t more = at(1) == 126 ? 2 : at(1) == 127 ? 8 : 0;
  Extent extent{.header = 2 + more, .payload = more == 0 ? at(1) : 0u};
  if (bytes.size() < extent.header) return std::nullopt;
  for (std::size_t i = 0; i < more; ++i) extent.payload = extent.payload << 8 | at(2 + i);
  if (bytes.size() < extent.header + extent.payload) return std::nullopt;
  return extent;
}

SentFrame::Kind KindOf(char first_byte) {
  switch (static_cast<http::Opcode>(first_byte & 0x0f)) {
    case http::Opcode::kPing:
      return SentFrame::Kind::kPing;
    case http::Opcode::kPong:
      return SentFrame::Kind::kPong;
    case http::Opcode::kClose:
      return SentFrame::Kind::kClose;
    case http::Opcode::kText:
    case http::Opcode::kBinary:
      break;
  }
  return SentFrame::Kind::kEvent;
}

}  // namespace

Connection::Connection(http::SessionContext* context, std::size_t capacity)
    : context_(context),
      capacity_(capacity),
      queue_(std::make_shared<http::OutgoingQueue>(context->limits.max_queued_frames,
                                                   context->limits.max_queued_bytes)) {
  client_.SetRoom(capacity_);
}

Connection::~Connection() = default;

void Connection::Serve(subscriptions::OpenedSubscription opened) {
  std::unique_ptr<http::Transport> transport = client_.Connect();
  const http::Strand strand = transport->strand();
  auto mailbox = std::make_shared<http::Mailbox>(strand);
  auto registration = context_->connections.Add(mailbox);
  auto session = std::make_shared<http::WebSocketSession>(
      context_, http::WebSocketSession::Parts{.transport = std::move(transport),
                                              .mailbox = std::move(mailbox),
                                              .registration = std::move(registration),
                                              .queue = queue_,
                                              .opened = std::move(opened),
                                              .remote_address = "192.0.2.1"});
  boost::asio::post(strand, [session = std::move(session)] { session->Start("", ""); });
}

bool Connection::RunOne(const Moment& now) {
  if (running_) return false;
  running_ = true;
  io_.restart();
  const bool ran = io_.poll_one() > 0;
  running_ = false;
  OnBytes(client_.TakeReceived(), now);
  return ran;
}

void Connection::OnBytes(std::string_view bytes, const Moment& now) {
  if (bytes.empty()) return;
  if (partial_.empty()) partial_begun_ = now;
  partial_ += bytes;
  unread_ += bytes.size();
  std::string_view left = partial_;
  while (const std::optional<Extent> extent = FirstFrame(left)) {
    sent_.push_back({.kind = KindOf(left[0]),
                     .payload = std::string(left.substr(extent->header, extent->payload)),
                     .size = extent->header + extent->payload,
                     .begun = std::exchange(partial_begun_, now)});
    frames_.push_back(sent_.back());
    left.remove_prefix(sent_.back().size);
  }
  partial_.erase(0, partial_.size() - left.size());
  MakeRoom();
}

std::vector<SentFrame> Connection::TakeSent() {
  return std::exchange(sent_, {});
}

SentFrame Connection::TakeFrame() {
  SentFrame frame = std::move(frames_.front());
  frames_.pop_front();
  unread_ -= frame.size;
  MakeRoom();
  return frame;
}

// The client takes half a frame, too, if that is all there is.
void Connection::MakeRoom() {
  const std::size_t unread = frames_.empty() ? 0 : unread_;
  client_.SetRoom(unread < capacity_ ? capacity_ - unread : 0);
}

void Connection::AnswerPing(std::string_view payload) {
  // With a mask that changes nothing.
  std::string frame = {static_cast<char>(0x8a), static_cast<char>(0x80 | payload.size())};
  client_.Send(frame.append(4, '\0').append(payload));
}

void Connection::Break() {
  client_.Break();
  frames_.clear();
  sent_.clear();
}

}  // namespace belfry::simulation
