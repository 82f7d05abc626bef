#pragma once

#include <boost/asio/io_context.hpp>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "server/http/transport.h"

namespace belfry::http {

// The client's end of a connection through memory, with a switch for each fault. What a test does
// here runs handlers only when the io_context runs, which must outlive it. Not thread-safe.
class MemoryClient final {
 public:
  explicit MemoryClient(boost::asio::io_context* io);
  // As Break.
  ~MemoryClient();
  MemoryClient(const MemoryClient&) = delete;
  MemoryClient& operator=(const MemoryClient&) = delete;

  // The server's end. To be called once.
  std::unique_ptr<Transport> Connect();

  void Send(std::string_view bytes);
  void FinishSending();
  // What has arrived since it was last asked for.
  std::string TakeReceived();
  // Whether the server has called ShutdownSend, and Close.
  bool server_finished() const;
  bool closed() const;

  // How many bytes the transport takes from now on until this is called again.
  void SetRoom(std::size_t bytes);
  // How many bytes it takes or gives at once, at most.
  void SetMaxWrite(std::size_t bytes);
  void SetMaxRead(std::size_t bytes);
  // The connection is lost: everything fails from now on.
  void Break();

  // Whether an AwaitWritable is under way.
  bool awaited() const;
  // How many bytes the server would take at once; 0: it is not reading.
  std::size_t read_size() const;
  // What was set by LimitUnsent.
  std::optional<std::size_t> unsent_limit() const;

 private:
  class End;
  // Shared by both ends.
  struct Wire;

  const std::shared_ptr<Wire> wire_;
};

}  // namespace belfry::http
