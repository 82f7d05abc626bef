#include "base/spawn.h"

#include <fcntl.h>
#include <spawn.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <iterator>
#include <string_view>

#include "absl/status/status.h"
#include "base/text.h"

namespace belfry {
namespace {

std::vector<char*> Pointers(const std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  pointers.reserve(texts.size() + 1);
  for (const std::string& text : texts) pointers.push_back(const_cast<char*>(text.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

// Tokens, addresses and keys of the server and its operator are no business of other programs.
constexpr std::string_view kInherited[] = {
    "PATH",
    "HOME",
    "LANG",
    "TZ",
    "TMPDIR",
#ifdef BELFRY_SANITIZED
    // How sanitizers report, in builds that have them: without it a report of the child is lost.
    "ASAN_OPTIONS",
    "LSAN_OPTIONS",
    "TSAN_OPTIONS",
    "UBSAN_OPTIONS",
#endif
};

bool IsInherited(std::string_view entry) {
  const std::string_view name = entry.substr(0, entry.find('='));
  return std::find(std::begin(kInherited), std::end(kInherited), name) != std::end(kInherited);
}

// Which descriptors the child gets.
class FileActions {
 public:
  explicit FileActions(const SpawnOptions& options) {
    posix_spawn_file_actions_init(&actions_);
    Give(options.standard_input, STDIN_FILENO, O_RDONLY);
    Give(options.standard_output, STDOUT_FILENO, O_WRONLY);
    if (options.standard_error >= 0) Give(options.standard_error, STDERR_FILENO, O_WRONLY);
    int first_closed = 3;
    for (const int given : {options.descriptor_3, options.descriptor_4}) {
      if (given >= 0) Give(given, first_closed++, O_WRONLY);
    }
    posix_spawn_file_actions_addclosefrom_np(&actions_, first_closed);
  }
  ~FileActions() { posix_spawn_file_actions_destroy(&actions_); }
  FileActions(const FileActions&) = delete;
  FileActions& operator=(const FileActions&) = delete;
  const posix_spawn_file_actions_t* get() const { return &actions_; }

 private:
  void Give(int from, int to, int mode_of_null) {
    if (from >= 0) {
      posix_spawn_file_actions_adddup2(&actions_, from, to);
    } else {
      posix_spawn_file_actions_addopen(&actions_, to, "/dev/null", mode_of_null, 0);
    }
  }
  posix_spawn_file_actions_t actions_;
};

// How the child treats signals, and whose terminal it belongs to.
class Attributes {
 public:
  explicit Attributes(SpawnOptions::Session session) {
    posix_spawnattr_init(&attributes_);
    sigset_t none;
    sigset_t all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attributes_, &none);
    posix_spawnattr_setpgroup(&attributes_, 0);
    posix_spawnattr_setsigdefault(&attributes_, &all);
    int flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
    if (session == SpawnOptions::Session::kOwn) flags |= POSIX_SPAWN_SETSID;
    if (session == SpawnOptions::Session::kOwnGroup) flags |= POSIX_SPAWN_SETPGROUP;
    posix_spawnattr_setflags(&attributes_, static_cast<short>(flags));
  }
  ~Attributes() { posix_spawnattr_destroy(&attributes_); }
  Attributes(const Attributes&) = delete;
  Attributes& operator=(const Attributes&) = delete;
  const posix_spawnattr_t* get() const { return &attributes_; }

 private:
  posix_spawnattr_t attributes_;
};

}  // namespace

absl::StatusOr<pid_t> Spawn(const SpawnOptions& options) {
  const FileActions actions(options);
  const Attributes attributes(options.session);
  const std::vector<char*> arguments = Pointers(options.arguments);
  const std::vector<char*> environment = Pointers(options.environment);
  pid_t pid = 0;
  const int error = posix_spawn(&pid, arguments[0], actions.get(), attributes.get(),
                                arguments.data(), environment.data());
  if (error != 0) {
    return absl::UnavailableError(
        Concat({"cannot execute ", options.arguments[0], ": ", std::strerror(error)}));
  }
  return pid;
}

std::vector<std::string> OwnEnvironment() {
  std::vector<std::string> entries;
  for (char** entry = environ; *entry != nullptr; ++entry) entries.emplace_back(*entry);
  return entries;
}

std::vector<std::string> InheritedEnvironment() {
  std::vector<std::string> entries = OwnEnvironment();
  std::erase_if(entries, [](const std::string& entry) { return !IsInherited(entry); });
  return entries;
}

}  // namespace belfry
