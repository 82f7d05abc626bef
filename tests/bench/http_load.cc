#include "tests/bench/http_load.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/bench/measure.h"
#include "tests/bench/sockets.h"

namespace belfry::bench {

HttpLoad::HttpLoad(std::uint16_t port, int connections)
    : epoll_(epoll_create1(EPOLL_CLOEXEC)), connections_(connections) {
  for (Connection& connection : connections_) {
    connection.socket = ConnectTo(port);
    epoll_event event{.events = EPOLLIN, .data = {.ptr = &connection}};
    epoll_ctl(epoll_, EPOLL_CTL_ADD, connection.socket, &event);
  }
}

HttpLoad::~HttpLoad() {
  for (const Connection& connection : connections_) close(connection.socket);
  close(epoll_);
}

double HttpLoad::Run(std::chrono::duration<double> time, const std::function<std::string()>& next) {
  const std::int64_t before = answered_;
  const double taken = Seconds([&] {
    const auto end = std::chrono::steady_clock::now() + time;
    Exchange([end] { return std::chrono::steady_clock::now() < end; }, next);
  });
  return static_cast<double>(answered_ - before) / taken;
}

void HttpLoad::Send(std::int64_t requests, const std::function<std::string()>& next) {
  Exchange([left = requests]() mutable { return left-- > 0; }, next);
}

void HttpLoad::Exchange(const std::function<bool()>& more,
                        const std::function<std::string()>& next) {
  std::size_t waiting = 0;
  for (Connection& connection : connections_) {
    if (!more()) break;
    SendAll(connection.socket, next());
    ++waiting;
  }
  epoll_event events[64];
  while (waiting > 0) {
    const int ready = epoll_wait(epoll_, events, 64, 20'000);
    if (ready == 0) Die("a request was not answered within 20 seconds");
    for (int i = 0; i < ready; ++i) {
      Connection& connection = *static_cast<Connection*>(events[i].data.ptr);
      if (!Receive(connection)) continue;
      ++answered_;
      if (more()) {
        SendAll(connection.socket, next());
      } else {
        --waiting;
      }
    }
  }
}

bool HttpLoad::Receive(Connection& connection) {
  char buffer[16 * 1024];
  const ssize_t size = recv(connection.socket, buffer, sizeof buffer, MSG_DONTWAIT);
  if (size <= 0) Die("the server closed a connection");
  connection.received.append(buffer, size);
  const std::size_t complete = ResponseSize(connection.received);
  connection.received.erase(0, complete);
  return complete > 0;
}

}  // namespace belfry::bench
