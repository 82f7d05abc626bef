#pragma once

#include <boost/asio/io_context.hpp>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "server/http/memory_transport.h"
#include "server/http/outgoing_queue.h"
#include "server/http/session_context.h"
#include "server/subscriptions/subscriber.h"

namespace belfry::simulation {

// What had been acknowledged when something left the server.
struct Moment {
  std::size_t policy_version = 0;
  bool revoked = false;  // The subscriber's token.
};

// A frame of the server as the network has it.
struct SentFrame {
  enum class Kind { kEvent, kPing, kPong, kClose };
  Kind kind = Kind::kEvent;
  std::string payload;
  std::size_t size = 0;  // With its header.
  Moment begun;          // When its first byte left; the rest has to follow.
};

// A WebSocket connection through memory: the server's session, and the network that holds what has
// left it until the client takes it. It goes on when the simulation has it. Not thread-safe.
class Connection {
 public:
  // So many bytes fit into the network. `context` must outlive it.
  Connection(http::SessionContext* context, std::size_t capacity);
  ~Connection();

  // What the subscription is to be opened for.
  const std::shared_ptr<http::OutgoingQueue>& queue() const { return queue_; }
  // Has the session begin.
  void Serve(subscriptions::OpenedSubscription opened);

  // Whether it is under way already, or nothing waits.
  bool running() const { return running_; }
  // One piece of the session's work; false: there is none.
  bool RunOne(const Moment& now);
  // The frames that have left since the last call.
  std::vector<SentFrame> TakeSent();

  // The client takes one frame.
  bool has_frames() const { return !frames_.empty(); }
  SentFrame TakeFrame();
  // Whether the server has cut it off.
  bool closed() const { return client_.closed(); }
  void AnswerPing(std::string_view payload);
  // The connection is lost, and with it what the client has not taken.
  void Break();

 private:
  void OnBytes(std::string_view bytes, const Moment& now);
  void MakeRoom();

  http::SessionContext* const context_;
  const std::size_t capacity_;
  boost::asio::io_context io_{1};
  // After the io_context, whose handlers own the session.
  http::MemoryClient client_{&io_};
  const std::shared_ptr<http::OutgoingQueue> queue_;
  bool running_ = false;
  std::string partial_;  // Of the next frame.
  Moment partial_begun_;
  std::size_t unread_ = 0;
  std::vector<SentFrame> sent_;
  std::deque<SentFrame> frames_;
};

}  // namespace belfry::simulation
