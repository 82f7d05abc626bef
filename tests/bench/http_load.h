#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace belfry::bench {

// Clients of a server on loopback, each with a connection that it keeps and a request that it waits
// for; all on one thread, so that as little as possible of the machine is theirs. Failures throw,
// as in sockets.h. Used by one thread.
class HttpLoad {
 public:
  HttpLoad(std::uint16_t port, int connections);
  ~HttpLoad();
  HttpLoad(const HttpLoad&) = delete;
  HttpLoad& operator=(const HttpLoad&) = delete;

  // Sends what `next` returns, again and again, for so long. How many were answered, a second.
  double Run(std::chrono::duration<double> time, const std::function<std::string()>& next);
  // So many.
  void Send(std::int64_t requests, const std::function<std::string()>& next);
  // How many were ever answered.
  std::int64_t answered() const { return answered_; }

 private:
  struct Connection {
    int socket = -1;
    std::string received;
  };
  // Until `more` says no and all that was sent is answered.
  void Exchange(const std::function<bool()>& more, const std::function<std::string()>& next);
  // Reads what is there; whether the answer is complete.
  static bool Receive(Connection& connection);

  const int epoll_;
  std::vector<Connection> connections_;
  std::int64_t answered_ = 0;
};

}  // namespace belfry::bench
