#include "tests/bench/sockets.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <charconv>
#include <stdexcept>

#include "absl/strings/str_cat.h"

namespace belfry::bench {

void Die(std::string_view sentence) {
  throw std::runtime_error(std::string(sentence));
}

int ConnectTo(std::uint16_t port) {
  const int connection = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{.sin_family = AF_INET,
                      .sin_port = htons(port),
                      .sin_addr = {htonl(INADDR_LOOPBACK)},
                      .sin_zero = {}};
  if (connect(connection, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    Die(absl::StrCat("cannot connect to port ", port));
  }
  const int on = 1;
  setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return connection;
}

void SendAll(int socket, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) Die("the server closed a connection");
    bytes.remove_prefix(sent);
  }
}

Stream PlainStream(int socket) {
  return {.send = [socket](std::string_view bytes) { SendAll(socket, bytes); },
          .receive = [socket](char* buffer, std::size_t size) -> std::size_t {
            const ssize_t received = recv(socket, buffer, size, 0);
            if (received <= 0) Die("the server closed a connection");
            return received;
          }};
}

std::string ReadThrough(const Stream& stream, std::string_view end, std::string* rest) {
  std::string text;
  char buffer[4096];
  std::size_t at;
  while ((at = text.find(end)) == std::string::npos) {
    text.append(buffer, stream.receive(buffer, sizeof buffer));
  }
  *rest = text.substr(at + end.size());
  text.resize(at + end.size());
  return text;
}

std::string RequestText(const std::string& method, const std::string& path, const std::string& body,
                        const std::string& token) {
  return absl::StrCat(method, " /v1/", path,
                      " HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Vault-Token: ", token,
                      "\r\nContent-Length: ", body.size(), "\r\n\r\n", body);
}

std::size_t ResponseSize(std::string_view text) {
  const std::size_t end = text.find("\r\n\r\n");
  if (end == std::string_view::npos) return 0;
  constexpr std::string_view kLength = "\r\nContent-Length: ";
  std::size_t length = 0;
  if (const std::size_t at = text.substr(0, end).find(kLength); at != std::string_view::npos) {
    const std::size_t from = at + kLength.size();
    std::from_chars(text.data() + from, text.data() + end, length);
  }
  const std::size_t size = end + 4 + length;
  if (text.size() < size) return 0;
  if (text.compare(9, 1, "2") != 0)
    Die("the server answered: " + std::string(text.substr(0, size)));
  return size;
}

std::string Exchange(const Stream& stream, std::string_view request) {
  stream.send(request);
  std::string text;
  char buffer[4096];
  while (ResponseSize(text) == 0) {
    text.append(buffer, stream.receive(buffer, sizeof buffer));
  }
  return text.substr(text.find("\r\n\r\n") + 4);
}

std::string MemberOf(const std::string& json, const std::string& name) {
  const std::string start = absl::StrCat("\"", name, "\":");
  std::size_t at = json.find(start);
  if (at == std::string::npos) Die(absl::StrCat("no ", name, " in: ", json));
  at = json.find('"', at + start.size()) + 1;
  return json.substr(at, json.find('"', at) - at);
}

std::uint16_t FreePort() {
  const int probe = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (bind(probe, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      getsockname(probe, reinterpret_cast<sockaddr*>(&address), &size) != 0)
    Die("no free port");
  close(probe);
  return ntohs(address.sin_port);
}

}  // namespace belfry::bench
