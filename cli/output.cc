#include "cli/output.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "cli/terminal.h"

namespace belfry::cli {
namespace {

constexpr std::size_t kMaxWaitingBytes = 64 * 1024;

// A descriptor that somebody has made non-blocking takes the rest later.
void WaitUntilWritable(int descriptor) {
  pollfd wait{.fd = descriptor, .events = POLLOUT, .revents = 0};
  ::poll(&wait, 1, -1);
}

}  // namespace

DescriptorBuffer::int_type DescriptorBuffer::overflow(int_type c) {
  if (traits_type::eq_int_type(c, traits_type::eof())) return traits_type::not_eof(c);
  const char byte = traits_type::to_char_type(c);
  return xsputn(&byte, 1) == 1 ? c : traits_type::eof();
}

std::streamsize DescriptorBuffer::xsputn(const char* bytes, std::streamsize count) {
  waiting_.append(bytes, static_cast<std::size_t>(count));
  return waiting_.size() < kMaxWaitingBytes || Drain() ? count : 0;
}

int DescriptorBuffer::sync() {
  return Drain() ? 0 : -1;
}

bool DescriptorBuffer::Drain() {
  // Nothing is lost, also after an error that the command has accepted.
  if (waiting_.empty()) return true;
  std::size_t written = 0;
  while (error_ == 0 && written < waiting_.size()) {
    const ssize_t count =
        ::write(descriptor_, waiting_.data() + written, waiting_.size() - written);
    if (count >= 0) {
      written += static_cast<std::size_t>(count);
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      WaitUntilWritable(descriptor_);
    } else if (errno != EINTR) {
      error_ = errno;
    }
  }
  waiting_.clear();
  return error_ == 0;
}

int ExitCodeAfterOutput(DescriptorStream& out, std::ostream& err, int exit_code) {
  out.flush();
  if (out.good()) return exit_code;
  if (out.error() != EPIPE) {
    err << "cannot write to standard output: " << std::generic_category().message(out.error())
        << std::endl;
  }
  return exit_code == kSuccess ? kUsageError : exit_code;
}

void KeepStandardDescriptors() {
  for (int descriptor = 0; descriptor <= 2; ++descriptor) {
    // open takes the lowest free number, which is this one. The wrong way round, so that using it
    // fails.
    if (::fcntl(descriptor, F_GETFD) < 0)
      ::open("/dev/null", descriptor == 0 ? O_WRONLY : O_RDONLY);
  }
}

}  // namespace belfry::cli
