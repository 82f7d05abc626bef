#include "tests/bench/sockets.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <stdexcept>

#include "absl/strings/numbers.h"
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

std::string ReadThrough(int socket, std::string_view end, std::string* rest) {
  std::string text;
  char buffer[4096];
  std::size_t at;
  while ((at = text.find(end)) == std::string::npos) {
    const ssize_t size = recv(socket, buffer, sizeof buffer, 0);
    if (size <= 0) Die("the server closed a connection");
    text.append(buffer, size);
  }
  *rest = text.substr(at + end.size());
  text.resize(at + end.size());
  return text;
}

void Call(int socket, const std::string& method, const std::string& path, const std::string& body) {
  SendAll(socket,
          absl::StrCat(method, " /v1/", path,
                       " HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Vault-Token: root\r\nContent-Length: ",
                       body.size(), "\r\n\r\n", body));
  std::string rest;
  const std::string head = ReadThrough(socket, "\r\n\r\n", &rest);
  std::size_t length = 0;
  if (const std::size_t at = head.find("Content-Length: "); at != std::string::npos) {
    const std::size_t from = at + 16;
    (void)absl::SimpleAtoi(head.substr(from, head.find('\r', from) - from), &length);
  }
  while (rest.size() < length) {
    char buffer[4096];
    const ssize_t size = recv(socket, buffer, sizeof buffer, 0);
    if (size <= 0) Die("the server closed a connection");
    rest.append(buffer, size);
  }
  if (head.compare(9, 1, "2") != 0)
    Die(absl::StrCat(method, " ", path, ": ", head.substr(0, head.find('\r')), " ", rest));
}

}  // namespace belfry::bench
