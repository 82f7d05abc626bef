#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "base/logging.h"
#include "server/http/connections.h"
#include "server/http/deadline.h"
#include "server/http/outgoing_queue.h"
#include "server/http/session_context.h"
#include "server/http/transport.h"
#include "server/http/websocket_frames.h"
#include "server/subscriptions/subscriber.h"

namespace belfry::http {

// One subscriber: sends what its queue holds, many frames a system call, answers pings, and ends
// the connection with a code that says why. Everything runs on the connection's strand; others
// reach it only through the queue.
//
// Before each system call its authorizer is asked again about what was allowed under rules that
// have changed since. What has left, a frame that has left in part included, is beyond reach: at
// most 500 frames or 256 KiB and one frame a call.
//
// It pings every Limits::ping_interval with a counter. A peer that has neither said anything nor
// taken any event for two intervals after a ping is dead, and is cut off. (Vault waits for TCP to
// notice.)
class WebSocketSession final : public std::enable_shared_from_this<WebSocketSession> {
 public:
  struct Parts {
    std::unique_ptr<Transport> transport;
    // Shared with whoever posts to the strand from other threads.
    std::shared_ptr<Mailbox> mailbox;
    std::unique_ptr<Connections::Registration> registration;
    // Shared: the bus keeps the queue alive while an offer runs.
    std::shared_ptr<OutgoingQueue> queue;
    subscriptions::OpenedSubscription opened;
    std::string remote_address;
  };
  WebSocketSession(SessionContext* context, Parts parts);
  ~WebSocketSession();

  // Sends `response_head`, the 101, and what the queue holds. `received` is what the client has
  // sent since its request. To be called once, on the strand. The session lives until its
  // connection ends.
  void Start(std::string response_head, std::string_view received);

 private:
  enum class State {
    kOpen,
    kClosing,  // A close frame is on its way; nothing follows it.
    kLeaving,  // It has been sent; only the client's end is awaited.
    kEnded,
  };
  struct OutgoingFrame {
    FrameHeader header;
    bus::Frame payload;
    std::uint64_t policy_version = 0;

    std::size_t size() const { return header.size + payload->bytes.size(); }
  };

  void Read();
  void OnRead(std::size_t size);
  void OnReceived(std::string_view bytes);
  void OnFrame(const ClientFrame& frame);

  void OnQueueWoke();
  void Flush();
  bool FillBatch();
  // As SendSome, but for what may not leave any more; 0 also when nothing remains.
  std::optional<std::size_t> AuthorizeAndSend();
  void DropForbidden();
  // Of what is being sent, the frames that have not begun to leave and that `stays` does not keep.
  void DropUnbegun(absl::FunctionRef<bool(OutgoingFrame& frame)> stays);
  // As Transport::WriteSome.
  std::optional<std::size_t> SendSome();
  void OnBatchSent();
  void AwaitWritable();
  void OnNothingToSend();

  void SchedulePing();
  void ShutDown();
  void OnPingTimer();
  // Says why and ends; only the first reason counts.
  void BeginClose(CloseCode code, std::string_view reason);
  // Sends the frame, which must be a close frame, and ends when the client does, or after
  // `timeout`.
  void BeginCloseWith(std::string_view frame, absl::Duration timeout);
  // Nothing that has not begun to leave does so any more. How many frames that waited are dropped;
  // 0 when it is released already.
  std::size_t ReleaseSubscription();
  void OnTooSlow();
  // What a log line about it says of it.
  std::vector<LogField> Description() const;
  void End();

  SessionContext* const context_;
  const std::shared_ptr<Mailbox> mailbox_;
  // Before the transport, so that it goes after it.
  const std::unique_ptr<Connections::Registration> registration_;
  const std::unique_ptr<Transport> transport_;
  const std::shared_ptr<OutgoingQueue> queue_;
  // Until it is released.
  std::optional<subscriptions::OpenedSubscription> opened_;
  const Opcode opcode_;
  // For the log: whose subscription it is.
  const std::string remote_address_;
  const std::string accessor_;
  const std::string type_pattern_;

  State state_ = State::kOpen;
  bool shutting_down_ = false;
  Deadline next_ping_;
  Deadline deadline_;  // For the client to answer a close.
  FrameReader reader_;
  std::array<char, 512> received_;

  // What goes out before the next event: the 101, pings, at most one pong, the close frame.
  std::string urgent_;
  std::string pong_;
  // What is being sent, and how much of it has been.
  std::string batch_head_;
  std::vector<OutgoingFrame> batch_;
  std::size_t batch_size_ = 0;
  std::size_t batch_sent_ = 0;
  bool awaiting_writable_ = false;

  std::uint64_t pings_ = 0;
  int silent_pings_ = 0;
  bool alive_ = true;
};

}  // namespace belfry::http
