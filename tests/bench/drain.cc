#include "tests/bench/drain.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <charconv>
#include <chrono>

#include "absl/strings/str_cat.h"
#include "tests/bench/sockets.h"

namespace belfry::bench {
namespace {

class WebSocketCounter final : public MessageCounter {
 public:
  std::uint64_t Count(std::string_view bytes) override {
    std::uint64_t messages = 0;
    while (!bytes.empty()) {
      if (payload_left_ > 0) {
        const std::size_t taken = std::min<std::size_t>(payload_left_, bytes.size());
        payload_left_ -= taken;
        bytes.remove_prefix(taken);
        if (payload_left_ == 0) messages += counts_;
        continue;
      }
      header_.push_back(bytes.front());
      bytes.remove_prefix(1);
      if (header_.size() == HeaderSize()) messages += StartPayload();
    }
    return messages;
  }

 private:
  std::size_t HeaderSize() const {
    if (header_.size() < 2) return 2;
    const int length = header_[1] & 0x7f;
    return length == 126 ? 4 : length == 127 ? 10 : 2;
  }
  // Returns 1 for a counted message without payload.
  std::uint64_t StartPayload() {
    const auto byte = [this](std::size_t i) { return static_cast<unsigned char>(header_[i]); };
    payload_left_ = byte(1) & 0x7f;
    if (header_.size() > 2) {
      payload_left_ = 0;
      for (std::size_t i = 2; i < header_.size(); ++i) payload_left_ = payload_left_ << 8 | byte(i);
    }
    counts_ = (byte(0) & 0x08) == 0 ? 1 : 0;
    header_.clear();
    return payload_left_ == 0 ? counts_ : 0;
  }

  std::string header_;
  std::uint64_t payload_left_ = 0;
  std::uint64_t counts_ = 0;
};

class NatsCounter final : public MessageCounter {
 public:
  std::uint64_t Count(std::string_view bytes) override {
    std::uint64_t messages = 0;
    while (!bytes.empty()) {
      if (payload_left_ > 0) {
        const std::size_t taken = std::min<std::size_t>(payload_left_, bytes.size());
        payload_left_ -= taken;
        bytes.remove_prefix(taken);
        if (payload_left_ == 0) ++messages;
        continue;
      }
      const std::size_t end = bytes.find('\n');
      line_.append(bytes.substr(0, end));
      if (end == std::string_view::npos) break;
      bytes.remove_prefix(end + 1);
      EndLine();
    }
    return messages;
  }

 private:
  // "MSG <subject> <sid> <length>\r": the payload and its CRLF follow.
  void EndLine() {
    if (line_.starts_with("MSG ")) {
      const std::size_t space = line_.rfind(' ');
      std::uint64_t length = 0;
      std::from_chars(line_.data() + space + 1, line_.data() + line_.size(), length);
      payload_left_ = length + 2;
    }
    line_.clear();
  }

  std::string line_;
  std::uint64_t payload_left_ = 0;
};

}  // namespace

std::unique_ptr<MessageCounter> NewWebSocketCounter() {
  return std::make_unique<WebSocketCounter>();
}
std::unique_ptr<MessageCounter> NewNatsCounter() {
  return std::make_unique<NatsCounter>();
}

struct Drain::Connection {
  int socket;
  std::unique_ptr<MessageCounter> counter;
};

Drain::Drain() : epoll_(epoll_create1(EPOLL_CLOEXEC)), thread_([this] { Run(); }) {}

Drain::~Drain() {
  stop_ = true;
  thread_.join();
  for (const auto& connection : connections_) close(connection->socket);
  close(epoll_);
}

void Drain::Add(int socket, std::unique_ptr<MessageCounter> counter, std::string_view rest) {
  received_ += counter->Count(rest);
  connections_.push_back(std::make_unique<Connection>(Connection{socket, std::move(counter)}));
  epoll_event event{.events = EPOLLIN, .data = {.ptr = connections_.back().get()}};
  epoll_ctl(epoll_, EPOLL_CTL_ADD, socket, &event);
}

void Drain::Run() {
  std::vector<char> buffer(1024 * 1024);
  epoll_event events[256];
  while (!stop_) {
    const int ready = epoll_wait(epoll_, events, 256, 50);
    for (int i = 0; i < ready; ++i) {
      auto* connection = static_cast<Connection*>(events[i].data.ptr);
      const ssize_t size = recv(connection->socket, buffer.data(), buffer.size(), MSG_DONTWAIT);
      if (size > 0) {
        const std::uint64_t count =
            connection->counter->Count({buffer.data(), static_cast<std::size_t>(size)});
        received_.fetch_add(count, std::memory_order_release);
      } else if (size == 0 || (errno != EAGAIN && errno != EINTR)) {
        epoll_ctl(epoll_, EPOLL_CTL_DEL, connection->socket, nullptr);
        broken_ = true;
      }
    }
  }
}

void Drain::Await(std::uint64_t total) const {
  std::uint64_t seen = received();
  auto progress = std::chrono::steady_clock::now();
  while (seen < total) {
    if (broken_) Die(absl::StrCat("a subscriber was closed at ", seen));
    std::this_thread::sleep_for(std::chrono::microseconds(200));
    const auto now = std::chrono::steady_clock::now();
    if (const std::uint64_t current = received(); current != seen) {
      seen = current;
      progress = now;
    } else if (now - progress > std::chrono::seconds(20)) {
      Die(absl::StrCat("subscribers were starved at ", seen));
    }
  }
}

}  // namespace belfry::bench
