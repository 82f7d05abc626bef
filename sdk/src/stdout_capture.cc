#include "sdk/src/stdout_capture.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>

namespace belfry::internal {
namespace {

constexpr std::size_t kReadBytes = 4096;

}  // namespace

StdoutCapture::Descriptor::~Descriptor() {
  if (fd_ >= 0) ::close(fd_);
}

absl::StatusOr<std::unique_ptr<StdoutCapture>> StdoutCapture::Start(
    StdioBuffer* buffer, std::function<void()> on_host_left) {
  int output[2] = {-1, -1};
  int stop[2] = {-1, -1};
  const int original = ::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
  const bool made =
      original >= 0 && ::pipe2(output, O_CLOEXEC) == 0 && ::pipe2(stop, O_CLOEXEC) == 0;
  std::unique_ptr<StdoutCapture> capture(new StdoutCapture(
      Descriptor(original), Descriptor(output[0]), Descriptor(stop[0]), Descriptor(stop[1])));
  const Descriptor write_end(output[1]);
  if (!made || ::dup2(write_end.get(), STDOUT_FILENO) < 0) {
    return absl::InternalError("cannot redirect standard output: no file descriptors left");
  }
  // A line leaves when it is complete, as on a terminal.
  std::setvbuf(stdout, nullptr, _IOLBF, BUFSIZ);
  capture->thread_ =
      std::thread([self = capture.get(), buffer, on_host_left = std::move(on_host_left)] {
        self->Run(buffer, on_host_left);
      });
  return capture;
}

bool StdoutCapture::WriteToHost(std::string_view text) const {
  while (!text.empty()) {
    const ssize_t written = ::write(original_.get(), text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

void StdoutCapture::Run(StdioBuffer* buffer, const std::function<void()>& on_host_left) const {
  std::array<pollfd, 3> watched = {pollfd{read_end_.get(), POLLIN, 0},
                                   pollfd{stop_read_.get(), POLLIN, 0},
                                   pollfd{original_.get(), 0, 0}};
  std::array<char, kReadBytes> bytes;
  for (;;) {
    if (::poll(watched.data(), watched.size(), -1) < 0 && errno != EINTR) return;
    if (watched[2].revents & POLLERR) {
      watched[2].fd = -1;  // Once is enough, and poll would return at once for ever.
      on_host_left();
    }
    if (watched[0].revents & POLLIN) {
      const ssize_t count = ::read(read_end_.get(), bytes.data(), bytes.size());
      if (count > 0) buffer->Append({bytes.data(), static_cast<std::size_t>(count)});
      continue;  // What was printed before the stop still comes first.
    }
    if (watched[1].revents != 0) return;
  }
}

StdoutCapture::~StdoutCapture() {
  if (!thread_.joinable()) return;
  std::fflush(stdout);
  ::dup2(original_.get(), STDOUT_FILENO);
  [[maybe_unused]] const ssize_t written = ::write(stop_write_.get(), "x", 1);
  thread_.join();
}

}  // namespace belfry::internal
