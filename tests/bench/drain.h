#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace belfry::bench {

// Cuts a byte stream into messages and counts them, at as little cost as possible. Used by one
// thread.
class MessageCounter {
 public:
  virtual ~MessageCounter() = default;
  // How many messages ended within `bytes`.
  virtual std::uint64_t Count(std::string_view bytes) = 0;
};

// Frames of a WebSocket server (RFC 6455 5.2); control frames are not counted.
std::unique_ptr<MessageCounter> NewWebSocketCounter();
// MSG lines of the NATS client protocol; other lines are not counted.
std::unique_ptr<MessageCounter> NewNatsCounter();

// Reads many sockets on one thread and counts what arrives: the same reader for every server under
// test.
class Drain {
 public:
  Drain();
  ~Drain();
  // Owns `socket` from now on. `rest` is what was already read from it.
  void Add(int socket, std::unique_ptr<MessageCounter> counter, std::string_view rest);
  std::uint64_t received() const { return received_.load(std::memory_order_acquire); }
  // Waits until `total` messages have been received. Throws, as sockets.h, when a connection ended
  // or nothing came for 20 seconds.
  void Await(std::uint64_t total) const;

 private:
  struct Connection;
  void Run();

  int epoll_;
  std::atomic<std::uint64_t> received_ = 0;
  std::atomic<bool> stop_ = false;
  std::atomic<bool> broken_ = false;
  std::vector<std::unique_ptr<Connection>> connections_;  // Grows only before traffic starts.
  std::thread thread_;
};

}  // namespace belfry::bench
