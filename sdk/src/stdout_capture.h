#pragma once

#include <functional>
#include <memory>
#include <string_view>
#include <thread>

#include "absl/status/statusor.h"
#include "sdk/src/stdio_buffer.h"

namespace belfry::internal {

// Standard output belongs to the handshake line: nothing may come before it, and after it a host
// may stop reading, so that printf would block for ever. From Start on, what the process prints
// there goes into `buffer` instead. (plugin-protocol 1.6, 10.1) Used by one thread.
//
// It also watches the old standard output: when its reader is gone, so is the host. That does not
// depend on which of the host's threads started us, as the kernel's parent-death signal does (it
// fires when that thread ends, however long the process lives), so that signal is not used.
class StdoutCapture final {
 public:
  // `buffer` must outlive this; `on_host_left` is called at most once, on the reading thread.
  // Internal when the process has no file descriptors left.
  static absl::StatusOr<std::unique_ptr<StdoutCapture>> Start(StdioBuffer* buffer,
                                                              std::function<void()> on_host_left);
  // To the old standard output; false when nobody reads it any more.
  bool WriteToHost(std::string_view text) const;
  // Puts standard output back.
  ~StdoutCapture();
  StdoutCapture(const StdoutCapture&) = delete;
  StdoutCapture& operator=(const StdoutCapture&) = delete;

 private:
  // A file descriptor that closes itself.
  class Descriptor {
   public:
    explicit Descriptor(int fd) : fd_(fd) {}
    ~Descriptor();
    Descriptor(Descriptor&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
    Descriptor& operator=(Descriptor&&) = delete;
    int get() const { return fd_; }

   private:
    int fd_;
  };

  StdoutCapture(Descriptor original, Descriptor read_end, Descriptor stop_read,
                Descriptor stop_write)
      : original_(std::move(original)),
        read_end_(std::move(read_end)),
        stop_read_(std::move(stop_read)),
        stop_write_(std::move(stop_write)) {}
  void Run(StdioBuffer* buffer, const std::function<void()>& on_host_left) const;

  const Descriptor original_;
  const Descriptor read_end_;
  const Descriptor stop_read_, stop_write_;
  std::thread thread_;
};

}  // namespace belfry::internal
