#include "server/http/raw_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace belfry::http {
namespace {

class TcpWire final : public ClientWire {
 public:
  TcpWire(std::uint16_t port, int receive_buffer) {
    socket_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const timeval patience{20, 0};
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (receive_buffer > 0)
      ::setsockopt(socket_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
      ::close(socket_);
      socket_ = -1;
    }
  }
  ~TcpWire() override {
    if (socket_ >= 0) ::close(socket_);
  }
  TcpWire(const TcpWire&) = delete;
  TcpWire& operator=(const TcpWire&) = delete;

  bool connected() const override { return socket_ >= 0; }

  bool Send(std::string_view bytes) override {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }

  void FinishSending() override { ::shutdown(socket_, SHUT_WR); }

  ssize_t Receive(char* buffer, std::size_t size) override {
    return ::recv(socket_, buffer, size, 0);
  }

 private:
  int socket_ = -1;
};

}  // namespace

std::unique_ptr<ClientWire> ConnectTcp(std::uint16_t port, int receive_buffer) {
  return std::make_unique<TcpWire>(port, receive_buffer);
}

bool RawClient::Fill() {
  char buffer[65536];
  const ssize_t size = wire_->Receive(buffer, sizeof buffer);
  if (size <= 0) {
    const bool was_late = size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
    ended_ = !was_late;
    return false;
  }
  received_.append(buffer, static_cast<std::size_t>(size));
  return true;
}

bool RawClient::Need(std::size_t bytes) {
  while (received_.size() < bytes) {
    if (!Fill()) return false;
  }
  return true;
}

RawClient::Response RawClient::ReadResponse(Body body) {
  Response response;
  std::size_t end;
  while ((end = received_.find("\r\n\r\n")) == std::string::npos) {
    if (!Fill()) return response;
  }
  response.head = received_.substr(0, end + 2);
  received_.erase(0, end + 4);
  response.status = std::atoi(response.head.c_str() + std::strlen("HTTP/1.1 "));
  const std::size_t length_at = response.head.find("\r\nContent-Length: ");
  if (length_at == std::string::npos || body == Body::kNone) return response;
  const std::size_t length = std::strtoull(
      response.head.c_str() + length_at + std::strlen("\r\nContent-Length: "), nullptr, 10);
  if (!Need(length)) return Response{};
  response.body = received_.substr(0, length);
  received_.erase(0, length);
  return response;
}

bool RawClient::AwaitBytes() {
  return Need(1);
}

std::optional<RawClient::Frame> RawClient::ReadFrame() {
  if (!Need(2)) return std::nullopt;
  std::size_t length = received_[1] & 0x7F;
  const std::size_t extended = length == 126 ? 2 : length == 127 ? 8 : 0;
  if (!Need(2 + extended)) return std::nullopt;
  if (extended != 0) length = 0;
  for (std::size_t i = 0; i < extended; ++i) {
    length = (length << 8) | static_cast<unsigned char>(received_[2 + i]);
  }
  if (!Need(2 + extended + length)) return std::nullopt;
  Frame frame{received_[0] & 0x0F, received_.substr(2 + extended, length)};
  received_.erase(0, 2 + extended + length);
  return frame;
}

bool RawClient::SendFrame(int opcode, std::string_view payload) {
  constexpr char kMask[] = {0x12, 0x34, 0x56, 0x78};
  std::string frame = {static_cast<char>(0x80 | opcode), static_cast<char>(0x80 | payload.size())};
  frame.append(kMask, 4);
  for (std::size_t i = 0; i < payload.size(); ++i) {
    frame += static_cast<char>(payload[i] ^ kMask[i % 4]);
  }
  return Send(frame);
}

bool RawClient::Ended() {
  return received_.empty() && !Fill() && ended_;
}

std::string CloseText(const RawClient::Frame& frame) {
  if (frame.opcode != 8) return "no close frame";
  if (frame.payload.size() < 2) return "";
  const int code = static_cast<unsigned char>(frame.payload[0]) << 8 |
                   static_cast<unsigned char>(frame.payload[1]);
  return std::to_string(code) + " " + frame.payload.substr(2);
}

std::string Request(std::string_view first_line, std::string_view headers, std::string_view body) {
  std::string text(first_line);
  text += " HTTP/1.1\r\nHost: localhost\r\n";
  text += headers;
  if (!body.empty()) text += "Content-Length: " + std::to_string(body.size()) + "\r\n";
  text += "\r\n";
  text += body;
  return text;
}

}  // namespace belfry::http
