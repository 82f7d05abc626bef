#include "cli/pid_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <string_view>
#include <system_error>
#include <utility>

#include "cli/text.h"

namespace belfry::cli {
namespace {

std::string OwnText() {
  return Concat(getpid(), "\n");
}

// As much as the file of a process id has, and a little more. Empty when it is no file.
std::string ContentOf(const std::string& path) {
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(path, ignored)) return "";
  std::string content(64, '\0');
  std::ifstream file(path);
  file.read(content.data(), static_cast<std::streamsize>(content.size()));
  content.resize(static_cast<std::size_t>(file.gcount()));
  return content;
}

absl::Status NotWritten(const std::string& path) {
  const std::error_code error(errno, std::generic_category());
  return absl::UnavailableError(Concat("cannot write the pid file ", path, ": ", error.message()));
}

bool Overwrite(int file, std::string_view text) {
  // What is no regular file has no length.
  if (::ftruncate(file, 0) != 0 && errno != EINVAL) return false;
  return ::write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size());
}

}  // namespace

PidFile::~PidFile() {
  std::error_code ignored;
  if (!path_.empty() && ContentOf(path_) == OwnText()) std::filesystem::remove(path_, ignored);
}

absl::Status PidFile::Write(const std::string& path) {
  if (path.empty()) return absl::OkStatus();
  const std::string before = ContentOf(path);
  if (before.find_first_not_of("0123456789 \n") != std::string::npos) {
    return absl::InvalidArgumentError(
        Concat("the pid file ", path,
               " holds something else than a process id: remove it, or name another file"));
  }
  // Not blocking: a FIFO without a reader is not waited for.
  Descriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0644));
  if (!file.ok()) return NotWritten(path);
  struct stat found = {};
  const bool is_file = ::fstat(file.get(), &found) == 0 && S_ISREG(found.st_mode);
  // A file system without locks is no reason not to start.
  if (is_file && ::flock(file.get(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
    return absl::FailedPreconditionError(
        Concat("the pid file ", path, " is in use by a running server, process ",
               before.substr(0, before.find('\n')), ": stop it, or name another file"));
  }
  if (!Overwrite(file.get(), OwnText())) return NotWritten(path);
  path_ = path;
  file_ = std::move(file);
  return absl::OkStatus();
}

}  // namespace belfry::cli
