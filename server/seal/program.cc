#include "server/seal/program.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstring>
#include <utility>

#include "base/descriptor.h"
#include "base/duration.h"
#include "base/escaping.h"
#include "base/spawn.h"
#include "base/steady_time.h"
#include "base/text.h"

// The C library's header declares its functions without C linkage.
extern "C" {
#include <sys/pidfd.h>
}

namespace belfry::seal {
namespace {

// Of what it writes on its standard error: what is kept, and what is shown.
constexpr std::size_t kMaxErrorBytes = 1024;
constexpr std::size_t kMaxShownBytes = 256;
// What is still read after its end, should a child of it go on writing.
constexpr int kMaxReadsAfterEnd = 16;

// One run, from its start to its end.
class Run {
 public:
  Run(std::string path, Pipe input, Pipe output, Pipe error_output)
      : path_(std::move(path)),
        input_(std::move(input)),
        output_(std::move(output)),
        error_output_(std::move(error_output)) {}
  ~Run() { End(); }
  Run(const Run&) = delete;
  Run& operator=(const Run&) = delete;

  absl::Status Start(const std::vector<std::string>& arguments) {
    const absl::StatusOr<pid_t> started = Spawn({.arguments = arguments,
                                                 .environment = InheritedEnvironment(),
                                                 .standard_input = input_.read_end.get(),
                                                 .standard_output = output_.write_end.get(),
                                                 .standard_error = error_output_.write_end.get(),
                                                 .session = SpawnOptions::Session::kOwnGroup});
    if (!started.ok()) {
      return absl::FailedPreconditionError(
          Concat({"the seal's program: ", ToStd(started.status().message())}));
    }
    pid_ = *started;
    output_.write_end.Close();
    error_output_.write_end.Close();
    // Our ends never block; the program's do, as programs expect.
    for (const Descriptor* const ours :
         {&input_.write_end, &output_.read_end, &error_output_.read_end})
      fcntl(ours->get(), F_SETFL, O_NONBLOCK);
    return absl::OkStatus();
  }

  absl::StatusOr<SecretBytes> Finish(std::string_view input, absl::Duration timeout) {
    const Descriptor handle(pidfd_open(pid_, 0));
    if (handle.get() < 0) return Failed({"cannot be watched: ", std::strerror(errno)});
    const SteadyTime deadline = SteadyTime::Now() + timeout;
    while (true) {
      Write(&input);
      const absl::Duration left = deadline - SteadyTime::Now();
      if (left <= absl::ZeroDuration())
        return Failed({"did not end within ", DurationText(timeout), " and was killed"});
      std::array<pollfd, 4> events = {pollfd{handle.get(), POLLIN, 0},
                                      pollfd{input_.write_end.get(), POLLOUT, 0},
                                      pollfd{output_.read_end.get(), POLLIN, 0},
                                      pollfd{error_output_.read_end.get(), POLLIN, 0}};
      const std::int64_t milliseconds = absl::ToInt64Milliseconds(left) + 1;
      if (poll(events.data(), events.size(),
               static_cast<int>(std::min<std::int64_t>(milliseconds, INT_MAX))) < 0) {
        continue;
      }
      if (events[2].revents != 0) ReadOutput();
      if (events[3].revents != 0) ReadErrorOutput();
      if (too_much_) return TooMuch();
      if (events[0].revents != 0) return Result();
    }
  }

 private:
  absl::Status Failed(std::initializer_list<std::string_view> how) const {
    return absl::FailedPreconditionError(
        Concat({"the seal's program ", path_, " ", Concat(how), FirstErrorLine()}));
  }
  absl::Status TooMuch() const {
    return Failed({"has written more than ", std::to_string(kMaxProgramOutputBytes),
                   " bytes and was killed"});
  }

  std::string FirstErrorLine() const {
    const std::string_view line = std::string_view(errors_).substr(0, errors_.find('\n'));
    return line.empty() ? "" : Concat({": ", Quoted(line.substr(0, kMaxShownBytes))});
  }

  // Our own read end stays open until everything is written, so that a program that does not read
  // costs us no signal.
  void Write(std::string_view* input) {
    while (!input->empty()) {
      const ssize_t size = write(input_.write_end.get(), input->data(), input->size());
      if (size < 0 && errno == EINTR) continue;
      if (size < 0) return;
      input->remove_prefix(static_cast<std::size_t>(size));
    }
    input_.write_end.Close();
    input_.read_end.Close();
  }

  // Both read what is there: false when there is nothing now, or nothing more.
  bool ReadOutput() {
    const std::size_t room = written_.size() - size_;
    const ssize_t size = Read(output_.read_end, written_.data() + size_, room);
    if (size <= 0) return false;
    size_ += static_cast<std::size_t>(size);
    too_much_ = size_ == written_.size();
    return !too_much_;
  }
  bool ReadErrorOutput() {
    std::array<char, kMaxErrorBytes> read;
    const ssize_t size = Read(error_output_.read_end, read.data(), read.size());
    if (size <= 0) return false;
    errors_.append(read.data(),
                   std::min(static_cast<std::size_t>(size), kMaxErrorBytes - errors_.size()));
    return true;
  }
  static ssize_t Read(Descriptor& from, void* to, std::size_t room) {
    const ssize_t size = read(from.get(), to, room);
    const bool later = size < 0 && (errno == EAGAIN || errno == EINTR);
    if (size <= 0 && !later) from.Close();
    return size;
  }

  // It has ended.
  absl::StatusOr<SecretBytes> Result() {
    for (int i = 0; i < kMaxReadsAfterEnd && ReadOutput(); ++i) {
    }
    for (int i = 0; i < kMaxReadsAfterEnd && ReadErrorOutput(); ++i) {
    }
    if (too_much_) return TooMuch();
    const int status = End();
    if (WIFSIGNALED(status)) {
      const char* const name = sigdescr_np(WTERMSIG(status));
      return Failed({"was ended by signal ", std::to_string(WTERMSIG(status)), " (",
                     name == nullptr ? "unknown" : name, ")"});
    }
    if (WEXITSTATUS(status) != 0)
      return Failed({"exited with code ", std::to_string(WEXITSTATUS(status))});
    return SecretBytes::CopyOf(written_.view().substr(0, size_));
  }

  // Kills what is left of its process group, whose number is its own until it is reaped.
  int End() {
    int status = 0;
    if (pid_ == 0) return status;
    kill(-pid_, SIGKILL);
    while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    pid_ = 0;
    return status;
  }

  const std::string path_;
  Pipe input_;
  Pipe output_;
  Pipe error_output_;
  pid_t pid_ = 0;
  // With room for one byte too many.
  SecretBytes written_ = SecretBytes(kMaxProgramOutputBytes + 1);
  std::size_t size_ = 0;
  bool too_much_ = false;
  std::string errors_;
};

}  // namespace

absl::StatusOr<SecretBytes> RunProgram(const std::vector<std::string>& arguments,
                                       std::string_view input, absl::Duration timeout) {
  std::array<absl::StatusOr<Pipe>, 3> pipes = {MakePipe(), MakePipe(), MakePipe()};
  for (const absl::StatusOr<Pipe>& made : pipes) {
    if (!made.ok()) {
      return absl::FailedPreconditionError(
          Concat({"the seal's program: ", ToStd(made.status().message())}));
    }
  }
  Run run(arguments[0], *std::move(pipes[0]), *std::move(pipes[1]), *std::move(pipes[2]));
  if (absl::Status failed = run.Start(arguments); !failed.ok()) return failed;
  return run.Finish(input, timeout);
}

}  // namespace belfry::seal
