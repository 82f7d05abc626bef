#include "server/http/websocket_session.h"

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>
#include <utility>

#include "absl/time/time.h"
#include "server/http/gather.h"

namespace belfry::http {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

// A batch is one system call when the socket has room: small enough to be fair to other
// connections.
constexpr std::size_t kMaxBatchFrames = 500;
constexpr std::size_t kMaxBatchPieces = 2 * kMaxBatchFrames + 1;
static_assert(kMaxBatchPieces <= Transport::kMaxPieces);
constexpr std::size_t kMaxBatchBytes = 256 * 1024;
constexpr int kBatchesPerTurn = 4;
// The kernel takes no more while so much has not left the machine: what it holds can be neither
// authorized again nor dropped.
constexpr std::size_t kMaxUnsentBytes = 128 * 1024;
constexpr int kSilentPingsOfTheDead = 2;
constexpr std::string_view kTooSlow = "subscriber is too slow; events were missed";

Opcode OpcodeFor(bus::Format format) {
  switch (format) {
    case bus::Format::kCloudEventsJson:
      return Opcode::kText;
    case bus::Format::kProtobuf:
      return Opcode::kBinary;
  }
  return Opcode::kBinary;
}

}  // namespace

WebSocketSession::WebSocketSession(SessionContext* context, Parts parts)
    : context_(context),
      mailbox_(std::move(parts.mailbox)),
      registration_(std::move(parts.registration)),
      transport_(std::move(parts.transport)),
      queue_(std::move(parts.queue)),
      opened_(std::move(parts.opened)),
      opcode_(OpcodeFor(opened_->format)),
      remote_address_(std::move(parts.remote_address)),
      accessor_(std::move(opened_->accessor)),
      type_pattern_(std::move(opened_->type_pattern)),
      next_ping_(transport_->strand(), context->clock, context->scheduler),
      deadline_(transport_->strand(), context->clock, context->scheduler) {
  context_->websocket_sessions.Add(1);
}

WebSocketSession::~WebSocketSession() {
  ReleaseSubscription();
  mailbox_->Close();
  context_->websocket_sessions.Add(-1);
}

void WebSocketSession::Start(std::string response_head, std::string_view received) {
  transport_->LimitUnsent(kMaxUnsentBytes);
  deadline_.OnExpiry(weak_from_this(), [this] { End(); });
  next_ping_.OnExpiry(weak_from_this(), [this] { OnPingTimer(); });
  std::weak_ptr<WebSocketSession> weak = weak_from_this();
  registration_->OnShutdown([weak] {
    if (auto self = weak.lock()) self->ShutDown();
  });
  urgent_ = std::move(response_head);
  Flush();
  if (state_ != State::kOpen) return;
  queue_->Start([weak, mailbox = mailbox_] {
    mailbox->Post([weak] {
      if (auto self = weak.lock()) self->OnQueueWoke();
    });
  });
  SchedulePing();
  if (!received.empty()) OnReceived(received);
  Read();
}

void WebSocketSession::Read() {
  if (state_ == State::kEnded) return;
  transport_->ReadSome(asio::buffer(received_),
                       [self = shared_from_this()](error_code error, std::size_t size) {
                         if (error) {
                           self->End();
                         } else {
                           self->OnRead(size);
                         }
                       });
}

void WebSocketSession::OnRead(std::size_t size) {
  alive_ = true;
  OnReceived({received_.data(), size});
  Read();
}

void WebSocketSession::OnReceived(std::string_view bytes) {
  for (const ClientFrame& frame : reader_.Feed(bytes)) OnFrame(frame);
}

void WebSocketSession::OnFrame(const ClientFrame& frame) {
  if (state_ != State::kOpen) {
    // The answer to the close frame that is on its way; a client cannot know it before it was sent.
    if (frame.kind == ClientFrame::Kind::kClose && state_ == State::kLeaving) End();
    return;
  }
  switch (frame.kind) {
    case ClientFrame::Kind::kPing:
      // Only the last ping needs an answer, so that a client that never reads costs nothing.
      pong_ = ControlFrame(Opcode::kPong, frame.payload);
      Flush();
      break;
    case ClientFrame::Kind::kPong:
      break;
    case ClientFrame::Kind::kClose:
      BeginCloseWith(CloseReply(frame.payload), context_->timeouts.close);
      break;
    case ClientFrame::Kind::kData:
      BeginClose(CloseCode::kPolicyViolation, "unexpected data message");
      break;
    case ClientFrame::Kind::kProtocolError:
      BeginClose(CloseCode::kProtocolError, "malformed frame");
      break;
  }
}

void WebSocketSession::OnQueueWoke() {
  if (state_ == State::kOpen && queue_->Overflowed()) {
    OnTooSlow();
    BeginClose(CloseCode::kTryAgainLater, kTooSlow);
  }
  if (state_ == State::kOpen) {
    if (const auto reason = queue_->EndReason()) {
      std::vector<LogField> fields = Description();
      fields.push_back({"reason", *reason});
      context_->logger.Write(LogLevel::kDebug, "a subscription was ended", fields);
      BeginClose(CloseCode::kNormal, *reason);
    }
  }
  Flush();
}

// Otherwise only the client would know, and a number of a metric that names nobody.
void WebSocketSession::OnTooSlow() {
  context_->slow_subscribers.Increment();
  const std::size_t dropped = ReleaseSubscription();
  const std::optional<std::uint64_t> left_out = context_->slow_subscriber_lines.Take();
  if (!left_out) return;
  std::vector<LogField> fields = Description();
  fields.push_back({"dropped", std::to_string(dropped)});
  fields.push_back({"suppressed", std::to_string(*left_out)});
  context_->logger.Write(LogLevel::kWarn, "a subscriber is too slow and was closed with 1013",
                         fields);
}

std::vector<LogField> WebSocketSession::Description() const {
  return {{"remote_address", remote_address_}, {"accessor", accessor_}, {"type", type_pattern_}};
}

void WebSocketSession::Flush() {
  if (awaiting_writable_ || state_ == State::kLeaving || state_ == State::kEnded) return;
  for (int turn = 0; turn < kBatchesPerTurn;) {
    if (batch_sent_ == batch_size_ && !FillBatch()) {
      OnNothingToSend();
      return;
    }
    const std::optional<std::size_t> sent = AuthorizeAndSend();
    if (!sent) {
      End();
      return;
    }
    if (*sent == 0 && batch_sent_ < batch_size_) {
      AwaitWritable();
      return;
    }
    batch_sent_ += *sent;
    if (batch_sent_ < batch_size_) continue;
    OnBatchSent();
    ++turn;
  }
  // Others have their turn first.
  asio::post(transport_->strand(), [self = shared_from_this()] { self->Flush(); });
}

// False when there is nothing to send.
bool WebSocketSession::FillBatch() {
  if (state_ == State::kOpen) urgent_ += std::exchange(pong_, {});
  batch_head_ = std::exchange(urgent_, {});
  batch_size_ = batch_head_.size();
  batch_sent_ = 0;
  batch_.clear();
  if (state_ == State::kOpen) {
    std::vector<OutgoingQueue::Item> taken = queue_->Take(kMaxBatchFrames, kMaxBatchBytes);
    batch_.reserve(taken.size());
    for (auto& [frame, policy_version] : taken) {
      const FrameHeader header = ServerFrameHeader(opcode_, frame->bytes.size());
      batch_.push_back({header, std::move(frame), policy_version});
      batch_size_ += batch_.back().size();
    }
  }
  return batch_size_ > 0;
}

std::optional<std::size_t> WebSocketSession::AuthorizeAndSend() {
  // Whoever takes a right away waits for this, and what comes later is authorized without it.
  const OutgoingQueue::Sending sending(queue_.get());
  DropForbidden();
  return batch_sent_ < batch_size_ ? SendSome() : 0;
}

// Of a frame that has left in part the rest follows: nobody could read what comes after half a
// frame.
void WebSocketSession::DropForbidden() {
  if (!opened_) return;
  bus::EventAuthorizer& authorizer = *opened_->event_authorizer;
  const std::uint64_t version = authorizer.Refresh();
  const bool ended = queue_->Ended();
  const auto is_authorized = [version, ended](const OutgoingFrame& frame) {
    return !ended &&
           (frame.policy_version == version || frame.payload->kind != bus::Message::Kind::kEvent);
  };
  if (std::all_of(batch_.begin(), batch_.end(), is_authorized)) return;
  DropUnbegun([&](OutgoingFrame& frame) {
    if (ended) return false;
    const bool allowed =
        is_authorized(frame) || authorizer.Allows(frame.payload->path, frame.payload->type);
    frame.policy_version = version;
    return allowed;
  });
}

void WebSocketSession::DropUnbegun(absl::FunctionRef<bool(OutgoingFrame& frame)> stays) {
  std::size_t begin = batch_head_.size();
  std::size_t kept = 0;
  for (std::size_t i = 0; i < batch_.size(); ++i) {
    OutgoingFrame& frame = batch_[i];
    const std::size_t size = frame.size();
    const bool begun = std::exchange(begin, begin + size) < batch_sent_;
    if (!begun && !stays(frame)) {
      batch_size_ -= size;
      queue_->Release(1, frame.payload->bytes.size());
      context_->frames_dropped.Increment();
      continue;
    }
    if (kept != i) batch_[kept] = std::move(frame);
    ++kept;
  }
  batch_.resize(kept);
}

std::optional<std::size_t> WebSocketSession::SendSome() {
  Gather<kMaxBatchPieces> gather(batch_sent_);
  gather.Add(batch_head_);
  for (const OutgoingFrame& frame : batch_) {
    gather.Add(frame.header.View());
    gather.Add(frame.payload->bytes);
  }
  return transport_->WriteSome(gather.pieces());
}

void WebSocketSession::OnBatchSent() {
  if (!batch_.empty()) {
    std::size_t payload = 0;
    for (const OutgoingFrame& frame : batch_) payload += frame.payload->bytes.size();
    queue_->Release(batch_.size(), payload);
    context_->frames_sent.Add(batch_.size());
    context_->bytes_sent.Add(payload);
    alive_ = true;
  }
  batch_.clear();
  batch_head_.clear();
  batch_size_ = 0;
  batch_sent_ = 0;
}

void WebSocketSession::AwaitWritable() {
  awaiting_writable_ = true;
  transport_->AwaitWritable([self = shared_from_this()](error_code error) {
    self->awaiting_writable_ = false;
    if (error) {
      self->End();
    } else {
      self->Flush();
    }
  });
}

void WebSocketSession::OnNothingToSend() {
  // A subscriber that is idle keeps no buffers.
  if (batch_.capacity() > 16) std::vector<OutgoingFrame>().swap(batch_);
  if (state_ != State::kClosing) return;
  state_ = State::kLeaving;
  transport_->ShutdownSend();
}

void WebSocketSession::SchedulePing() {
  next_ping_.SetAfter(context_->limits.ping_interval);
}

void WebSocketSession::OnPingTimer() {
  if (state_ != State::kOpen) return;
  silent_pings_ = std::exchange(alive_, false) ? 0 : silent_pings_ + 1;
  if (silent_pings_ >= kSilentPingsOfTheDead) {
    context_->logger.Write(LogLevel::kDebug, "a subscriber answers no pings and is cut off",
                           Description());
    End();
    return;
  }
  // A ping that waits already says all that another one could.
  if (urgent_.empty()) urgent_ = ControlFrame(Opcode::kPing, std::to_string(++pings_));
  SchedulePing();
  Flush();
}

void WebSocketSession::ShutDown() {
  if (std::exchange(shutting_down_, true)) return End();
  BeginClose(CloseCode::kGoingAway, "server is shutting down");
}

void WebSocketSession::BeginClose(CloseCode code, std::string_view reason) {
  const bool slow = code == CloseCode::kTryAgainLater || awaiting_writable_;
  BeginCloseWith(CloseFrame(code, reason),
                 slow ? context_->timeouts.slow_close : context_->timeouts.close);
}

void WebSocketSession::BeginCloseWith(std::string_view frame, absl::Duration timeout) {
  if (state_ != State::kOpen) return;
  state_ = State::kClosing;
  ReleaseSubscription();
  next_ping_.Clear();
  urgent_ += frame;
  deadline_.SetAfter(timeout);
  // Later, because this may run inside Flush.
  asio::post(transport_->strand(), [self = shared_from_this()] { self->Flush(); });
}

std::size_t WebSocketSession::ReleaseSubscription() {
  if (!opened_) return 0;
  DropUnbegun([](const OutgoingFrame&) { return false; });
  opened_.reset();
  const std::size_t dropped = queue_->Close();
  if (dropped > 0) context_->frames_dropped.Add(dropped);
  return dropped;
}

void WebSocketSession::End() {
  if (state_ == State::kEnded) return;
  state_ = State::kEnded;
  ReleaseSubscription();
  context_->frames_dropped.Add(batch_.size());
  batch_.clear();
  mailbox_->Close();
  next_ping_.Clear();
  deadline_.Clear();
  transport_->Close();
}

}  // namespace belfry::http
