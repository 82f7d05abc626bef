#include "cli/hidden_line.h"

#include <poll.h>
#include <pthread.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <ostream>
#include <system_error>

#include "cli/text.h"

namespace belfry::cli {
namespace {

absl::Status CannotRead(int reason) {
  return absl::InvalidArgumentError(
      Concat("cannot read from the terminal: ", std::generic_category().message(reason)));
}

// The signals that end or stop a program wait, and can be seen to wait, as long as this lives.
class HeldSignals {
 public:
  HeldSignals() {
    sigemptyset(&held_);
    for (const int number : {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP}) sigaddset(&held_, number);
    pthread_sigmask(SIG_BLOCK, &held_, &before_);
    descriptor_ = signalfd(-1, &held_, SFD_CLOEXEC);
  }
  ~HeldSignals() {
    if (descriptor_ >= 0) close(descriptor_);
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  HeldSignals(const HeldSignals&) = delete;
  HeldSignals& operator=(const HeldSignals&) = delete;

  // Readable when one waits.
  int descriptor() const { return descriptor_; }
  // Lets those that wait do what they do.
  void Deliver() {
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
    pthread_sigmask(SIG_BLOCK, &held_, nullptr);
  }

 private:
  sigset_t held_{};
  sigset_t before_{};
  int descriptor_ = -1;
};

// The terminal does not show what is typed as long as this lives.
class EchoOff {
 public:
  explicit EchoOff(int terminal) : terminal_(terminal) {
    if (tcgetattr(terminal, &before_) != 0) {
      error_ = errno;
      return;
    }
    termios quiet = before_;
    quiet.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    quiet.c_lflag |= static_cast<tcflag_t>(ICANON | ISIG);
    if (tcsetattr(terminal, TCSANOW, &quiet) != 0) error_ = errno;
  }
  ~EchoOff() {
    if (error_ == 0) tcsetattr(terminal_, TCSANOW, &before_);
  }
  EchoOff(const EchoOff&) = delete;
  EchoOff& operator=(const EchoOff&) = delete;

  // An errno; 0: it is off.
  int error() const { return error_; }

 private:
  const int terminal_;
  termios before_{};
  int error_ = 0;
};

enum class Wait { kReadable, kSignal };

absl::StatusOr<Wait> WaitFor(int terminal, int signals) {
  std::array<pollfd, 2> waits = {{{.fd = terminal, .events = POLLIN, .revents = 0},
                                  {.fd = signals, .events = POLLIN, .revents = 0}}};
  while (poll(waits.data(), waits.size(), -1) < 0) {
    if (errno != EINTR) return CannotRead(errno);
  }
  return waits[1].revents != 0 ? Wait::kSignal : Wait::kReadable;
}

// A terminal gives whole lines, of which a long one comes in several pieces.
absl::StatusOr<std::string> ReadLine(int terminal) {
  std::string line;
  std::array<char, 4096> piece;
  while (!line.ends_with('\n')) {
    const ssize_t count = read(terminal, piece.data(), piece.size());
    if (count < 0 && errno != EINTR) return CannotRead(errno);
    if (count == 0) return line;
    if (count > 0) line.append(piece.data(), static_cast<std::size_t>(count));
  }
  line.pop_back();
  return line;
}

}  // namespace

absl::StatusOr<std::string> ReadHiddenLine(int terminal, std::string_view prompt,
                                           std::ostream& out) {
  HeldSignals signals;
  for (;;) {
    {
      const EchoOff off(terminal);
      if (off.error() != 0) return CannotRead(off.error());
      out << prompt << std::flush;
      const absl::StatusOr<Wait> wait = WaitFor(terminal, signals.descriptor());
      if (!wait.ok()) return wait.status();
      // The newline that was typed was not shown either.
      if (*wait == Wait::kReadable) {
        absl::StatusOr<std::string> line = ReadLine(terminal);
        out << std::endl;
        return line;
      }
    }
    out << std::endl;
    signals.Deliver();
  }
}

}  // namespace belfry::cli
