#pragma once

#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <chrono>

#include "server/http/transport.h"

namespace belfry::http {

using Socket = boost::asio::basic_stream_socket<boost::asio::ip::tcp, Strand>;

// A TCP connection, in plain text.
class TcpTransport final : public Transport {
 public:
  // `user_timeout`: how long what was sent may stay unacknowledged before the connection is broken,
  // however much the kernel would buffer.
  TcpTransport(Socket socket, std::chrono::milliseconds user_timeout);

  Strand strand() override;
  std::string PeerAddress() const override;
  void ReadSome(boost::asio::mutable_buffer buffer, ReadHandler done) override;
  std::optional<std::size_t> WriteSome(std::span<const iovec> pieces) override;
  void AwaitWritable(WaitHandler done) override;
  void LimitUnsent(std::size_t bytes) override;
  void ShutdownSend() override;
  void Close() override;

 private:
  Socket socket_;
};

}  // namespace belfry::http
