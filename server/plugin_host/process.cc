#include "server/plugin_host/process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <utility>

#include "absl/status/status.h"
#include "base/text.h"

// The C library's header declares its functions without C linkage.
extern "C" {
#include <sys/pidfd.h>
}

namespace belfry::plugin_host {
namespace {

constexpr std::size_t kReadBytes = 16 * 1024;
// What is still read after the end, should a child of the process go on writing.
constexpr int kMaxReadsAfterEnd = 64;

// Reads once and hands it on. False when there is nothing now; closes the pipe at its end.
template <typename Take>
bool ReadOnce(Descriptor& pipe, Take take) {
  if (pipe.get() < 0) return false;
  std::array<char, kReadBytes> buffer;
  const ssize_t size = read(pipe.get(), buffer.data(), buffer.size());
  if (size > 0) {
    take(std::string_view(buffer.data(), static_cast<std::size_t>(size)));
    return true;
  }
  if (size < 0 && errno == EINTR) return true;
  if (size == 0 || errno != EAGAIN) pipe.Close();
  return false;
}

void NeverBlock(const Descriptor& pipe) {
  fcntl(pipe.get(), F_SETFL, fcntl(pipe.get(), F_GETFL) | O_NONBLOCK);
}

}  // namespace

std::string Describe(const ExitStatus& status) {
  if (status.signal == 0) return Concat({"exited with code ", std::to_string(status.code)});
  return Concat({"was ended by signal ", std::to_string(status.signal), " (",
                 sigdescr_np(status.signal) ? sigdescr_np(status.signal) : "unknown", ")"});
}

absl::StatusOr<std::unique_ptr<Process>> Process::Start(SpawnOptions options,
                                                        ProcessObserver* observer) {
  absl::StatusOr<Pipe> output = MakePipe();
  if (!output.ok()) return output.status();
  absl::StatusOr<Pipe> error_output = MakePipe();
  if (!error_output.ok()) return error_output.status();
  options.standard_output = output->write_end.get();
  options.standard_error = error_output->write_end.get();
  const absl::StatusOr<pid_t> pid = Spawn(options);
  if (!pid.ok()) return pid.status();
  Descriptor handle(pidfd_open(*pid, 0));
  if (handle.get() < 0) {
    kill(*pid, SIGKILL);
    waitpid(*pid, nullptr, 0);
    return absl::UnavailableError(Concat({"cannot watch a process: ", std::strerror(errno)}));
  }
  NeverBlock(output->read_end);
  NeverBlock(error_output->read_end);
  // The constructor is private.
  return std::unique_ptr<Process>(new Process(*pid, options.session, std::move(handle),
                                              std::move(output->read_end),
                                              std::move(error_output->read_end), observer));
}

Process::Process(pid_t pid, SpawnOptions::Session session, Descriptor handle, Descriptor output,
                 Descriptor error_output, ProcessObserver* observer)
    : pid_(pid),
      killed_(session == SpawnOptions::Session::kShared ? pid : -pid),
      handle_(std::move(handle)),
      output_(std::move(output)),
      error_output_(std::move(error_output)),
      observer_(observer),
      // The destructor joins it.
      watcher_([this] { Watch(); }) {}

Process::~Process() {
  Kill();
  watcher_.join();
}

bool Process::running() const {
  MutexLock lock(&mutex_);
  return running_;
}

bool Process::Kill() {
  // Under the lock, because the number may belong to another process once this one is reaped.
  MutexLock lock(&mutex_);
  if (!running_ || HasEnded()) return false;
  kill(killed_, SIGKILL);
  return !std::exchange(killed_by_us_, true);
}

// It may have, and not have been reaped yet.
bool Process::HasEnded() const {
  pollfd event = {handle_.get(), POLLIN, 0};
  return poll(&event, 1, 0) > 0;
}

bool Process::WaitForExit(absl::Duration limit) {
  const auto deadline = std::chrono::steady_clock::now() + absl::ToChronoMilliseconds(limit);
  MutexLock lock(&mutex_);
  while (running_) {
    if (!ended_.WaitUntil(&mutex_, deadline)) return !running_;
  }
  return true;
}

void Process::Watch() {
  const auto output = [this](std::string_view bytes) { observer_->OnOutput(bytes); };
  const auto error_output = [this](std::string_view bytes) { observer_->OnErrorOutput(bytes); };
  while (true) {
    std::array<pollfd, 3> events = {pollfd{handle_.get(), POLLIN, 0},
                                    pollfd{output_.get(), POLLIN, 0},
                                    pollfd{error_output_.get(), POLLIN, 0}};
    if (poll(events.data(), events.size(), -1) < 0) continue;
    if (events[1].revents != 0) ReadOnce(output_, output);
    if (events[2].revents != 0) ReadOnce(error_output_, error_output);
    if (events[0].revents != 0) break;
  }
  for (int i = 0; i < kMaxReadsAfterEnd && ReadOnce(output_, output); ++i) {
  }
  for (int i = 0; i < kMaxReadsAfterEnd && ReadOnce(error_output_, error_output); ++i) {
  }
  observer_->OnExit(Reap());
  MutexLock lock(&mutex_);
  ended_.NotifyAll();
}

ExitStatus Process::Reap() {
  MutexLock lock(&mutex_);
  // What it has left behind, while the number cannot belong to another group yet.
  if (killed_ < 0) kill(killed_, SIGKILL);
  int status = 0;
  while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  running_ = false;
  if (WIFSIGNALED(status)) {
    const int signal = WTERMSIG(status);
    return {.signal = signal, .by_kill = killed_by_us_ && signal == SIGKILL};
  }
  return {.code = WEXITSTATUS(status), .signal = 0};
}

}  // namespace belfry::plugin_host
