#include "server/plugin_host/program_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "base/sha256.h"
#include "base/text.h"

namespace belfry::plugin_host {
namespace {

// The name under which an open file can be opened, executed and looked at once more, whatever has
// become of the path that it was opened by.
std::string NameOf(const Descriptor& file) {
  return "/proc/self/fd/" + std::to_string(file.get());
}

// Where an open file really is; "" when that cannot be told.
std::string PlaceOf(const Descriptor& file) {
  std::error_code error;
  return std::filesystem::read_symlink(NameOf(file), error).string();
}

absl::Status Refused(const std::string& path, std::string_view reason) {
  return absl::InvalidArgumentError(Concat({"the plugin's program ", path, " ", reason}));
}

// With the reason that errno has.
absl::Status Missing(const std::string& path) {
  return absl::NotFoundError(Concat({"there is no ", path, ": ", std::strerror(errno)}));
}

bool IsLink(const std::string& path) {
  std::error_code error;
  return std::filesystem::is_symlink(std::filesystem::symlink_status(path, error));
}

absl::Status CheckPlace(const std::string& path, const Descriptor& folder, const Descriptor& file) {
  const std::string inside = PlaceOf(folder);
  const std::string place = PlaceOf(file);
  if (!inside.empty() && place.starts_with(inside == "/" ? inside : inside + "/"))
    return absl::OkStatus();
  return Refused(path, Concat({"is a link that leaves the plugin directory, to ", place,
                               "; copy the program into the directory"}));
}

// Only whoever owns a file should be able to change what is started.
void NoteWriters(const std::string& path, const struct stat& found,
                 std::vector<std::string>& concerns) {
  if ((found.st_mode & (S_IWGRP | S_IWOTH)) == 0) return;
  concerns.push_back(Concat(
      {path, " can be written by ", (found.st_mode & S_IWOTH) != 0 ? "everybody" : "its group"}));
}

}  // namespace

absl::StatusOr<ProgramFile> OpenProgram(const std::string& path) {
  const std::filesystem::path whole(path);
  const std::string folder_path = whole.parent_path().string();
  // O_PATH opens nothing: neither does a pipe make it wait, nor a device notice.
  const Descriptor folder(open(folder_path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (folder.get() < 0) return Missing(folder_path);
  const Descriptor found(openat(folder.get(), whole.filename().c_str(), O_PATH | O_CLOEXEC));
  struct stat folder_stat = {};
  struct stat file_stat = {};
  if (found.get() < 0 && errno == ENOENT && IsLink(path))
    return Refused(path, "is a link to a file that is not there");
  if (found.get() < 0 || fstat(folder.get(), &folder_stat) != 0 ||
      fstat(found.get(), &file_stat) != 0)
    return Missing(path);
  if (absl::Status outside = CheckPlace(path, folder, found); !outside.ok()) return outside;
  if (!S_ISREG(file_stat.st_mode)) return Refused(path, "is no regular file");
  if (access(NameOf(found).c_str(), X_OK) != 0) return Refused(path, "is not executable");
  const Descriptor low(open(NameOf(found).c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
  ProgramFile program{.descriptor = AboveChildDescriptors(low), .concerns = {}};
  if (program.descriptor.get() < 0)
    return Refused(path, Concat({"cannot be read: ", std::strerror(errno)}));
  NoteWriters(path, file_stat, program.concerns);
  NoteWriters(folder_path, folder_stat, program.concerns);
  return program;
}

absl::StatusOr<std::string> Sha256Of(const Descriptor& file) {
  Sha256 digest;
  std::string buffer(64 * 1024, '\0');
  ssize_t size = 0;
  for (off_t at = 0; (size = pread(file.get(), buffer.data(), buffer.size(), at)) > 0; at += size)
    digest.Update({buffer.data(), static_cast<std::size_t>(size)});
  if (size < 0)
    return absl::UnavailableError(Concat({"cannot read a program: ", std::strerror(errno)}));
  return absl::BytesToHexString(digest.Finish());
}

absl::StatusOr<WriteBar> WriteBar::On(const Descriptor& file) {
  // The kernel tells the holder of a lease that somebody waits by a signal: one that is ignored
  // unless it is handled.
  fcntl(file.get(), F_SETSIG, SIGURG);
  if (fcntl(file.get(), F_SETLEASE, F_RDLCK) == 0) return WriteBar(file.get());
  if (errno != EAGAIN) return WriteBar(-1);
  return absl::UnavailableError("the program is open for writing; try again when it is closed");
}

WriteBar::WriteBar(WriteBar&& other) noexcept : file_(std::exchange(other.file_, -1)) {}

WriteBar::~WriteBar() {
  if (file_ >= 0) fcntl(file_, F_SETLEASE, F_UNLCK);
}

}  // namespace belfry::plugin_host
