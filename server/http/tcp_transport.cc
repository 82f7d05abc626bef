#include "server/http/tcp_transport.h"

#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>
#include <utility>

namespace belfry::http {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using TcpUserTimeout = asio::detail::socket_option::integer<IPPROTO_TCP, TCP_USER_TIMEOUT>;
using NotSentLowat = asio::detail::socket_option::integer<IPPROTO_TCP, TCP_NOTSENT_LOWAT>;

}  // namespace

TcpTransport::TcpTransport(Socket socket, std::chrono::milliseconds user_timeout)
    : socket_(std::move(socket)) {
  error_code ignored;
  socket_.set_option(asio::ip::tcp::no_delay(true), ignored);
  socket_.set_option(TcpUserTimeout(static_cast<int>(user_timeout.count())), ignored);
}

Strand TcpTransport::strand() {
  return socket_.get_executor();
}

std::string TcpTransport::PeerAddress() const {
  error_code error;
  const asio::ip::tcp::endpoint peer = socket_.remote_endpoint(error);
  return error ? "" : peer.address().to_string();
}

void TcpTransport::ReadSome(asio::mutable_buffer buffer, ReadHandler done) {
  socket_.async_read_some(buffer, std::move(done));
}

std::optional<std::size_t> TcpTransport::WriteSome(std::span<const iovec> pieces) {
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(pieces.data());
  message.msg_iovlen = pieces.size();
  const ssize_t sent = ::sendmsg(socket_.native_handle(), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
  if (sent >= 0) return static_cast<std::size_t>(sent);
  if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) return 0;
  return std::nullopt;
}

void TcpTransport::AwaitWritable(WaitHandler done) {
  socket_.async_wait(Socket::wait_write, std::move(done));
}

void TcpTransport::LimitUnsent(std::size_t bytes) {
  error_code ignored;
  socket_.set_option(NotSentLowat(static_cast<int>(bytes)), ignored);
}

void TcpTransport::ShutdownSend() {
  error_code ignored;
  socket_.shutdown(Socket::shutdown_send, ignored);
}

void TcpTransport::Close() {
  error_code ignored;
  socket_.close(ignored);
}

}  // namespace belfry::http
