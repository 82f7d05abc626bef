#include "tests/bench/witness.h"

#include <unistd.h>

#include <algorithm>
#include <exception>
#include <string_view>
#include <utility>

#include "tests/bench/measure.h"
#include "tests/bench/sockets.h"

namespace belfry::bench {
namespace {

constexpr std::chrono::milliseconds kPause(2);

}  // namespace

Witness::Witness(std::uint16_t port, std::string request, Connections connections)
    : port_(port), request_(std::move(request)), connections_(connections) {
  thread_ = std::thread([this] { Run(); });
}

Witness::~Witness() {
  stop_ = true;
  if (thread_.joinable()) thread_.join();
}

double Witness::Worst() {
  stop_ = true;
  thread_.join();
  return worst_ * 1000;
}

void Witness::Run() {
  int socket = -1;
  while (!stop_) {
    worst_ = std::max(worst_, Seconds([&] {
                        try {
                          if (socket < 0) socket = ConnectTo(port_);
                          Exchange(PlainStream(socket), request_);
                        } catch (const std::exception&) {
                          ++failures_;
                          if (socket >= 0) close(std::exchange(socket, -1));
                        }
                      }));
    if (connections_ == Connections::kOneForEach && socket >= 0) close(std::exchange(socket, -1));
    std::this_thread::sleep_for(kPause);
  }
  if (socket >= 0) close(socket);
}

}  // namespace belfry::bench
