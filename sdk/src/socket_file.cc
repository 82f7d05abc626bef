#include "sdk/src/socket_file.h"

#include <grp.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <bit>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <optional>

#include "base/ids.h"
#include "base/text.h"

namespace belfry::internal {
namespace {

constexpr std::size_t kMaxPathBytes = sizeof(sockaddr_un::sun_path) - 1;
constexpr mode_t kGroupMode = 0660;
constexpr std::size_t kGroupBufferBytes = 16 * 1024;

std::string RandomDigits() {
  std::array<unsigned char, sizeof(std::uint32_t)> bytes;
  FillRandom(bytes);
  return std::to_string(std::bit_cast<std::uint32_t>(bytes));
}

std::optional<gid_t> FindGroup(const std::string& group) {
  gid_t number = 0;
  const char* const end = group.data() + group.size();
  if (const auto parsed = std::from_chars(group.data(), end, number);
      parsed.ec == std::errc() && parsed.ptr == end) {
    return number;
  }
  struct group entry;
  struct group* found = nullptr;
  std::array<char, kGroupBufferBytes> buffer;
  if (::getgrnam_r(group.c_str(), &entry, buffer.data(), buffer.size(), &found) != 0 ||
      found == nullptr) {
    return std::nullopt;
  }
  return found->gr_gid;
}

}  // namespace

absl::StatusOr<std::unique_ptr<SocketFile>> SocketFile::In(const std::string& directory) {
  struct stat info;
  if (::stat(directory.c_str(), &info) != 0 || !S_ISDIR(info.st_mode)) {
    return absl::NotFoundError(
        Concat({"there is no directory ", directory, " to listen in; set TMPDIR"}));
  }
  std::string path;
  do {
    path = Concat({directory, "/plugin", RandomDigits()});
  } while (::lstat(path.c_str(), &info) == 0);
  if (path.size() > kMaxPathBytes) {
    return absl::InvalidArgumentError(
        Concat({"the socket's path ", path, " is longer than ", std::to_string(kMaxPathBytes),
                " bytes; set TMPDIR to a shorter one"}));
  }
  if (path.find('|') != std::string::npos || path.find('\n') != std::string::npos) {
    return absl::InvalidArgumentError(
        Concat({"the socket's path ", path, " may not hold '|' or a line break"}));
  }
  return std::unique_ptr<SocketFile>(new SocketFile(std::move(path)));
}

SocketFile::~SocketFile() {
  ::unlink(path_.c_str());
}

absl::Status SocketFile::GiveToGroup(const std::string& group) const {
  const std::optional<gid_t> id = FindGroup(group);
  if (!id) return absl::NotFoundError(Concat({"there is no group ", group, " for the socket"}));
  constexpr uid_t kSameOwner = static_cast<uid_t>(-1);
  if (::chown(path_.c_str(), kSameOwner, *id) != 0 || ::chmod(path_.c_str(), kGroupMode) != 0) {
    return absl::PermissionDeniedError(
        Concat({"cannot give the socket to the group ", group, ": ", std::strerror(errno)}));
  }
  return absl::OkStatus();
}

}  // namespace belfry::internal
