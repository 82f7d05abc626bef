#include "server/plugin_host/socket_directory.h"

#include <sys/stat.h>
#include <sys/wait.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "absl/status/status.h"
#include "base/spawn.h"
#include "base/text.h"

namespace belfry::plugin_host {
namespace {

// A socket's path has at most 107 bytes, of which "/<folder>/plugin<ten digits>" needs its share.
constexpr std::size_t kMaxPathBytes = 78;

absl::Status Make(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(std::filesystem::path(path).parent_path(), error);
  if (mkdir(path.c_str(), 0700) == 0) return absl::OkStatus();
  if (errno != EEXIST) {
    return absl::FailedPreconditionError(
        Concat({"cannot make the socket folder ", path, ": ", std::strerror(errno)}));
  }
  struct stat found = {};
  const bool ours = lstat(path.c_str(), &found) == 0 && S_ISDIR(found.st_mode) &&
                    found.st_uid == geteuid() && std::filesystem::is_empty(path, error) && !error;
  if (!ours || chmod(path.c_str(), 0700) != 0) {
    return absl::FailedPreconditionError(
        Concat({"the socket folder ", path, " must be new, or empty and this user's own"}));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<SocketDirectory>> SocketDirectory::Create(
    std::string path, std::string guard_program) {
  if (path.empty() || path.front() != '/' || path.size() > kMaxPathBytes) {
    return absl::InvalidArgumentError(
        Concat({"the socket folder \"", path, "\" must be an absolute path of at most ",
                std::to_string(kMaxPathBytes), " bytes"}));
  }
  absl::Status status = Make(path);
  if (!status.ok()) return status;
  // The constructor is private.
  std::unique_ptr<SocketDirectory> made(
      new SocketDirectory(std::move(path), std::move(guard_program)));
  status = made->StartGuard();
  if (!status.ok()) return status;
  return made;
}

absl::Status SocketDirectory::StartGuard() {
  absl::StatusOr<Pipe> pipe = MakePipe();
  if (!pipe.ok()) return pipe.status();
  absl::StatusOr<pid_t> pid = Spawn({.arguments = {guard_program_, "watch", path_},
                                     .environment = OwnEnvironment(),
                                     .standard_input = pipe->read_end.get(),
                                     .session = SpawnOptions::Session::kOwn});
  if (!pid.ok()) return pid.status();
  guard_ = *pid;
  guard_pipe_ = std::move(pipe->write_end);
  return absl::OkStatus();
}

SocketDirectory::~SocketDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
  guard_pipe_.Close();
  // Waited for, so that it cannot remove what a next host makes under the same name.
  while (guard_ > 0 && waitpid(guard_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

absl::StatusOr<std::string> SocketDirectory::MakeFolder() {
  std::string folder = Concat({path_, "/", std::to_string(++folders_)});
  if (mkdir(folder.c_str(), 0700) != 0) {
    return absl::UnavailableError(Concat({"cannot make ", folder, ": ", std::strerror(errno)}));
  }
  return folder;
}

std::string DefaultGuardProgram() {
  std::error_code error;
  const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe", error);
  return (self.parent_path() / "belfry-plugin-guard").string();
}

}  // namespace belfry::plugin_host
