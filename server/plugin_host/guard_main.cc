// belfry-plugin-guard: sees to it that a host that dies leaves nothing behind.
//
//   belfry-plugin-guard run [-memory=BYTES] [-files=COUNT] [-soft-files=COUNT] [-program=LINK]
//   PROGRAM [ARGUMENT...]
//     limits itself, writes its process id to descriptor 3, closes it and becomes PROGRAM, which
//     keeps that id and the limits. With LINK, a link to /proc/self/fd/4, it becomes the file that
//     is open as descriptor 4, whatever lies at PROGRAM by now, and is still called PROGRAM;
//   belfry-plugin-guard watch DIRECTORY
//     reads process ids from standard input, whose other end only the host and starting plugins
//     hold. When that end closes, the host is gone: kills what still runs, with its process group,
//     and removes DIRECTORY.
//
// Why not a parent-death signal: it ends with the thread that started the plugin, and the kernel
// drops it for programs with file capabilities, which plugins that lock memory have. Why a program:
// between posix_spawn and the moment in which the host knows the process id, the host can die; here
// the plugin itself registers before its first instruction.

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <vector>

// The C library's header declares its functions without C linkage.
extern "C" {
#include <sys/pidfd.h>
}

namespace {

constexpr int kRegistrationDescriptor = 3;
constexpr int kProgramDescriptor = 4;
constexpr int kCannotExecute = 126;
constexpr int kUsage = 64;

// Whether a program may raise its limit again.
enum class Bound { kHard, kSoft };

// Whether `argument` is "NAME=number"; then the resource is limited to that.
bool LimitFrom(std::string_view argument, std::string_view name, int resource, Bound bound,
               bool& failed) {
  if (!argument.starts_with(name)) return false;
  argument.remove_prefix(name.size());
  rlim_t value = 0;
  const auto [end, error] =
      std::from_chars(argument.data(), argument.data() + argument.size(), value);
  rlimit limit = {value, value};
  rlimit now{};
  const auto which = static_cast<__rlimit_resource_t>(resource);
  if (bound == Bound::kSoft && getrlimit(which, &now) == 0) limit.rlim_max = now.rlim_max;
  failed = error != std::errc() || *end != '\0' || setrlimit(which, &limit) != 0;
  return true;
}

// Whether `argument` is "-program=LINK"; then that is what is executed.
bool ProgramFrom(const char* argument, const char*& executed) {
  constexpr std::string_view kName = "-program=";
  if (!std::string_view(argument).starts_with(kName)) return false;
  executed = argument + kName.size();
  return true;
}

// A program needs the descriptor no more once it runs. A script does: its interpreter opens the
// link in its turn, and would find nothing behind it.
void CloseOnExecutionUnlessScript() {
  char start[2] = {};
  const bool script = pread(kProgramDescriptor, start, sizeof(start), 0) == sizeof(start) &&
                      start[0] == '#' && start[1] == '!';
  if (!script) fcntl(kProgramDescriptor, F_SETFD, FD_CLOEXEC);
}

int Run(char** program) {
  // Private memory that is really mapped for writing: what runtimes only reserve does not count.
  bool failed = false;
  const char* executed = nullptr;
  while (*program != nullptr &&
         (LimitFrom(*program, "-memory=", RLIMIT_DATA, Bound::kHard, failed) ||
          LimitFrom(*program, "-files=", RLIMIT_NOFILE, Bound::kHard, failed) ||
          LimitFrom(*program, "-soft-files=", RLIMIT_NOFILE, Bound::kSoft, failed) ||
          ProgramFrom(*program, executed))) {
    if (failed) {
      std::fprintf(stderr, "cannot set the limit %s: %s\n", *program, std::strerror(errno));
      return kCannotExecute;
    }
    ++program;
  }
  if (*program == nullptr) return kUsage;
  const pid_t self = getpid();
  if (write(kRegistrationDescriptor, &self, sizeof(self)) != sizeof(self)) {
    std::fprintf(stderr, "the plugin guard is gone: %s\n", std::strerror(errno));
    return kCannotExecute;
  }
  close(kRegistrationDescriptor);
  CloseOnExecutionUnlessScript();
  execv(executed == nullptr ? program[0] : executed, program);
  std::fprintf(stderr, "cannot execute %s: %s\n", program[0], std::strerror(errno));
  return kCannotExecute;
}

// The first descriptor is the host's end, the others are processes.
class Watch {
 public:
  // Returns when the host is gone.
  void UntilHostIsGone() {
    while (true) {
      if (poll(watched_.data(), watched_.size(), -1) < 0 && errno != EINTR) return;
      if (watched_[0].revents != 0 && !ReadRegistration()) return;
      ForgetEnded();
    }
  }
  void KillAll() const {
    for (std::size_t i = 1; i < watched_.size(); ++i) {
      // Its number is its group's, too, as long as it is there.
      if (pidfd_send_signal(watched_[i].fd, 0, nullptr, 0) == 0) kill(-watched_pids_[i], SIGKILL);
      pidfd_send_signal(watched_[i].fd, SIGKILL, nullptr, 0);
    }
  }

 private:
  bool ReadRegistration() {
    pid_t pid = 0;
    const ssize_t size = read(STDIN_FILENO, &pid, sizeof(pid));
    if (size < 0 && errno == EINTR) return true;
    if (size != sizeof(pid)) return false;
    const int descriptor = pidfd_open(pid, 0);
    if (descriptor < 0) return true;
    watched_.push_back({descriptor, POLLIN, 0});
    watched_pids_.push_back(pid);
    return true;
  }
  void ForgetEnded() {
    for (std::size_t i = watched_.size() - 1; i > 0; --i) {
      if (watched_[i].revents == 0) continue;
      close(watched_[i].fd);
      watched_.erase(watched_.begin() + static_cast<std::ptrdiff_t>(i));
      watched_pids_.erase(watched_pids_.begin() + static_cast<std::ptrdiff_t>(i));
    }
  }

  std::vector<pollfd> watched_ = {{STDIN_FILENO, POLLIN, 0}};
  std::vector<pid_t> watched_pids_ = {0};  // One for each of them.
};

int WatchHost(const char* directory) {
  // The host stops in its own time on these, and needs the guard until then.
  for (const int ignored : {SIGINT, SIGTERM, SIGHUP}) std::signal(ignored, SIG_IGN);
  prctl(PR_SET_NAME, "plugin-guard");
  Watch watch;
  watch.UntilHostIsGone();
  watch.KillAll();
  std::error_code error;
  // A dying plugin may add a socket meanwhile, so that the folder is not empty when its turn comes.
  for (int attempt = 0; attempt < 3; ++attempt) {
    std::filesystem::remove_all(directory, error);
    if (!error) return 0;
  }
  std::fprintf(stderr, "cannot remove %s: %s\n", directory, error.message().c_str());
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view mode = argc > 2 ? argv[1] : "";
  if (mode == "run") return Run(argv + 2);
  if (mode == "watch" && argc == 3) return WatchHost(argv[2]);
  std::fprintf(stderr, "Belfry starts this program itself, to clean up should it be killed.\n");
  return kUsage;
}
