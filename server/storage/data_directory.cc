#include "server/storage/data_directory.h"

#include <fcntl.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <initializer_list>
#include <optional>
#include <span>
#include <system_error>
#include <utility>
#include <vector>

#include "base/descriptor.h"
#include "base/text.h"

namespace belfry::storage {
namespace {

static_assert(std::endian::native == std::endian::little, "FORMAT is written as it is in memory");

constexpr std::string_view kTitle = "belfry storage ";
// 2: the journal, which a server that knows nothing of it would leave behind what it writes.
constexpr int kVersion = 2;
constexpr int kOldestVersion = 1;

std::string TitleOf(int version) {
  return Concat({kTitle, std::to_string(version), "\n"});
}

Descriptor OpenFile(const std::string& path, int flags) {
  return Descriptor(::open(path.c_str(), flags | O_CLOEXEC));
}

// The status for errno.
absl::Status SystemError(std::initializer_list<std::string_view> what) {
  const int error = errno;
  return absl::ErrnoToStatus(error, ToAbsl(Concat(what)));
}

// Fewer than `size` bytes: the file ends there. -1: errno.
ssize_t ReadAt(int file, void* bytes, std::size_t size, std::uint64_t offset) {
  std::size_t done = 0;
  while (done < size) {
    const ssize_t read = ::pread(file, static_cast<char*>(bytes) + done, size - done,
                                 static_cast<off_t>(offset + done));
    if (read < 0) return -1;
    if (read == 0) break;
    done += static_cast<std::size_t>(read);
  }
  return static_cast<ssize_t>(done);
}

bool WriteAt(int file, const void* bytes, std::size_t size, std::uint64_t offset) {
  return ::pwrite(file, bytes, size, static_cast<off_t>(offset)) == static_cast<ssize_t>(size);
}

bool SyncDirectory(const std::string& path) {
  const Descriptor directory = OpenFile(path, O_RDONLY | O_DIRECTORY);
  return directory.ok() && ::fsync(directory.get()) == 0;
}

absl::Status CreateDirectory(const std::string& path) {
  if (::mkdir(path.c_str(), 0700) != 0) {
    if (errno != EEXIST) {
      return SystemError({"failed to create the data directory ", path,
                          " (the directory it is in must exist, and belong to the server's user)"});
    }
    std::error_code ignored;
    if (std::filesystem::is_directory(path, ignored)) return absl::OkStatus();
    return absl::InvalidArgumentError(ToAbsl(Concat(
        {"storage path ", path, " is not a directory: name a directory, or a path that is free"})));
  }
  const std::filesystem::path parent = std::filesystem::path(path).parent_path();
  if (!SyncDirectory(parent.empty() ? "." : parent.string())) {
    return SystemError({"failed to sync the directory of ", path});
  }
  return absl::OkStatus();
}

// "FORMAT.new-…" is what a creation that was interrupted leaves.
absl::Status CheckEmpty(const std::string& path) {
  std::error_code error;
  for (std::filesystem::directory_iterator it(path, error), end; !error && it != end;
       it.increment(error)) {
    const std::string name = it->path().filename();
    if (name.starts_with("FORMAT.new-") || name == "lost+found") continue;
    return absl::FailedPreconditionError(ToAbsl(
        Concat({path,
                " has no FORMAT and is not empty, so it is not a data directory: name one, or an "
                "empty directory, or a path that is free"})));
  }
  if (!error) return absl::OkStatus();
  errno = error.value();
  return SystemError({"failed to read the directory ", path});
}

// What root makes there its owner cannot open: once started by root, the service would start no
// more.
absl::Status CheckOwner(const std::string& path) {
  struct stat found = {};
  if (::geteuid() != 0 || ::stat(path.c_str(), &found) != 0 || found.st_uid == 0)
    return absl::OkStatus();
  const passwd* const owner = ::getpwuid(found.st_uid);
  const std::string name = owner == nullptr ? std::to_string(found.st_uid) : owner->pw_name;
  return absl::FailedPreconditionError(ToAbsl(
      Concat({path, " belongs to the user ", name,
              ", who could not open what root writes there: run the server as that user, with "
              "`runuser -u ",
              name, " -- belfry …`, or make it root's"})));
}

absl::Status CreateFormat(const std::string& path, const std::string& content) {
  if (absl::Status status = CheckEmpty(path); !status.ok()) return status;
  const std::string file = path + "/FORMAT";
  std::string new_file = file + ".new-XXXXXX";
  const Descriptor format(::mkostemp(new_file.data(), O_CLOEXEC));
  if (!format.ok() || !WriteAt(format.get(), content.data(), content.size(), 0) ||
      ::fsync(format.get()) != 0) {
    return SystemError({"failed to write ", new_file});
  }
  // Another process may have done the same meanwhile, and use its file.
  if (::link(new_file.c_str(), file.c_str()) != 0 && errno != EEXIST) {
    return SystemError({"failed to create ", file});
  }
  ::unlink(new_file.c_str());
  return SyncDirectory(path) ? absl::OkStatus() : SystemError({"failed to sync ", path});
}

// Without the zeros that fill it up.
std::string_view NameOf(std::span<const char> file) {
  return {file.data(), ::strnlen(file.data(), file.size())};
}

std::optional<int> VersionOf(std::string_view title) {
  if (!title.starts_with(kTitle)) return std::nullopt;
  int version = 0;
  const char* const end = title.data() + title.size();
  const auto [rest, error] = std::from_chars(title.data() + kTitle.size(), end, version);
  if (error != std::errc() || rest == end || *rest != '\n') return std::nullopt;
  return version;
}

}  // namespace

absl::StatusOr<std::unique_ptr<DataDirectory>> DataDirectory::Open(const std::string& path) {
  if (absl::Status status = CreateDirectory(path); !status.ok()) return status;
  if (absl::Status status = CheckOwner(path); !status.ok()) return status;
  const std::string file = path + "/FORMAT";
  if (::access(file.c_str(), F_OK) != 0 && errno == ENOENT) {
    std::string content = TitleOf(kVersion);
    content.resize(3 * kSector);
    if (absl::Status status = CreateFormat(path, content); !status.ok()) return status;
  }
  Descriptor format = OpenFile(file, O_RDWR);
  if (!format.ok()) {
    return SystemError({"failed to open ", file, " (it must belong to the server's user)"});
  }
  std::unique_ptr<DataDirectory> directory(new DataDirectory(path, format.Release()));
  if (absl::Status status = directory->CheckVersion(); !status.ok()) return status;
  return directory;
}

DataDirectory::DataDirectory(std::string path, int format)
    : path_(std::move(path)), format_(format) {}

DataDirectory::~DataDirectory() {
  ::fdatasync(format_);
  ::close(format_);
}

absl::Status DataDirectory::CheckVersion() {
  std::array<char, kSector> sector;
  const ssize_t read = ReadAt(format_, sector.data(), sector.size(), 0);
  if (read < 0) return SystemError({"failed to read ", path_, "/FORMAT"});
  const std::optional<int> version =
      VersionOf(std::string_view(sector.data(), static_cast<std::size_t>(read)));
  if (version.value_or(0) < kOldestVersion)
    return DamageError(path_, "FORMAT does not say its version");
  old_ = *version < kVersion;
  if (*version <= kVersion) return absl::OkStatus();
  return absl::FailedPreconditionError(ToAbsl(
      Concat({path_, " has storage format ", std::to_string(*version), ", this version reads ",
              std::to_string(kVersion), ": start the newer version of Belfry that wrote it"})));
}

// One byte changes, so that a kill leaves either.
absl::Status DataDirectory::UpgradeVersion() const {
  static_assert(kVersion < 10);
  const std::string title = TitleOf(kVersion);
  if (WriteAt(format_, title.data(), title.size(), 0) && ::fdatasync(format_) == 0)
    return absl::OkStatus();
  return SystemError({"failed to write ", path_, "/FORMAT"});
}

absl::Status DataDirectory::Verify() {
  MutexLock lock(&mutex_);
  absl::Status status = VerifyParts();
  return status.ok() && old_ ? UpgradeVersion() : status;
}

absl::Status DataDirectory::VerifyParts() {
  if (absl::Status status = ReadState(); !status.ok()) return status;
  if (state_.generation == 0) return absl::OkStatus();  // Nothing was ever synced.
  // RocksDB would start a new database.
  if (::access((path_ + "/CURRENT").c_str(), F_OK) != 0) {
    return absl::DataLossError("CURRENT is missing");
  }
  for (const SyncedPart& part : std::span(state_.parts).first(state_.count)) {
    if (absl::Status status = VerifyPart(part); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status DataDirectory::ReadState() {
  static constexpr State kNeverWritten = {};
  bool damaged = false;
  for (const std::size_t sector : {1, 2}) {
    State state;
    if (ReadAt(format_, &state, sizeof(state), sector * kSector) != sizeof(state)) {
      return absl::DataLossError("FORMAT is too short");
    }
    if (state.checksum == StateChecksum(state) && state.count <= state.parts.size()) {
      if (state.generation > state_.generation) state_ = state;
    } else if (std::memcmp(&state, &kNeverWritten, sizeof(state)) != 0) {
      damaged = true;
    }
  }
  if (damaged && state_.generation == 0) return absl::DataLossError("FORMAT is damaged");
  return absl::OkStatus();
}

absl::Status DataDirectory::VerifyPart(const SyncedPart& part) const {
  const std::string name(NameOf(part.file));
  const Descriptor file = OpenFile(Concat({path_, "/", name}), O_RDONLY);
  if (!file.ok() && errno == ENOENT) return absl::DataLossError(ToAbsl(name + " is missing"));
  if (!file.ok()) return SystemError({"failed to open ", name});
  std::vector<char> chunk(std::size_t{256} << 10);
  std::uint32_t checksum = 0;
  for (std::uint64_t done = 0; done < part.size;) {
    const std::size_t wanted = std::min<std::uint64_t>(chunk.size(), part.size - done);
    const ssize_t read = ReadAt(file.get(), chunk.data(), wanted, done);
    if (read < 0) return SystemError({"failed to read ", name});
    if (static_cast<std::size_t>(read) < wanted) {
      return absl::DataLossError(ToAbsl(name + " has lost its end"));
    }
    checksum = ChecksumOf({chunk.data(), wanted}, checksum);
    done += wanted;
  }
  if (checksum == part.checksum) return absl::OkStatus();
  return absl::DataLossError(ToAbsl(name + " is not what was written"));
}

DataDirectory::SyncedPart* DataDirectory::Find(std::string_view file) {
  const auto parts = std::span(state_.parts).first(state_.count);
  const auto it = std::find_if(parts.begin(), parts.end(),
                               [&](const SyncedPart& part) { return NameOf(part.file) == file; });
  return it == parts.end() ? nullptr : &*it;
}

absl::Status DataDirectory::Record(std::string_view file, std::uint64_t size,
                                   std::uint32_t checksum) {
  MutexLock lock(&mutex_);
  SyncedPart* part = Find(file);
  if (part == nullptr) {
    if (state_.count == state_.parts.size() || file.size() >= kNameSize) {
      return absl::InternalError(ToAbsl(Concat({"FORMAT has no room for ", file})));
    }
    part = &state_.parts[state_.count++];
    *part = {};
    file.copy(part->file.data(), file.size());
  }
  part->size = size;
  part->checksum = checksum;
  return WriteState();
}

absl::Status DataDirectory::Forget(std::string_view file) {
  MutexLock lock(&mutex_);
  SyncedPart* const part = Find(file);
  if (part == nullptr) return absl::OkStatus();
  *part = state_.parts[--state_.count];
  // Both sectors, so that the older one does not name a file that is gone.
  for (int i = 0; i < 2; ++i) {
    if (absl::Status status = WriteState(); !status.ok()) return status;
  }
  if (::fdatasync(format_) == 0) return absl::OkStatus();
  return SystemError({"failed to sync ", path_, "/FORMAT"});
}

std::uint32_t DataDirectory::StateChecksum(const State& state) {
  const std::string_view bytes(reinterpret_cast<const char*>(&state), sizeof(state));
  return ChecksumOf(bytes.substr(sizeof(state.checksum)));
}

absl::Status DataDirectory::WriteState() {
  ++state_.generation;
  state_.checksum = StateChecksum(state_);
  if (WriteAt(format_, &state_, sizeof(state_), kSector * (1 + state_.generation % 2))) {
    return absl::OkStatus();
  }
  return SystemError({"failed to write ", path_, "/FORMAT"});
}

std::uint32_t ChecksumOf(std::string_view bytes, std::uint32_t before) {
  return static_cast<std::uint32_t>(
      ::crc32_z(before, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

absl::Status DamageError(std::string_view path, std::string_view damage) {
  return absl::DataLossError(
      ToAbsl(Concat({"the data in ", path, " is damaged: ", damage,
                     ". Nothing damaged is served. Check "
                     "the disk, then restore a copy of the whole directory, or a snapshot"})));
}

}  // namespace belfry::storage
