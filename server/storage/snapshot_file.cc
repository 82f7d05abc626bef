#include "server/storage/snapshot_file.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>
#include <system_error>
#include <utility>

#include "base/text.h"

namespace belfry::storage {
namespace {

constexpr std::string_view kMagic = "belfry snapshot\n";
constexpr char kFormat = 1;
// What an entry, and what the end begins with.
constexpr char kEntry = 1;
constexpr char kEnd = 0;
// Of an entry in memory, beside its bytes.
constexpr std::size_t kEntryCost = sizeof(Entry);

template <typename Number>
std::string BigEndian(Number number) {
  std::string bytes(sizeof number, '\0');
  std::uint64_t rest = number;
  for (std::size_t i = bytes.size(); i-- > 0; rest >>= 8) {
    bytes[i] = static_cast<char>(rest & 0xff);
  }
  return bytes;
}

template <typename Number>
Number FromBigEndian(std::string_view bytes) {
  std::uint64_t number = 0;
  for (const char byte : bytes) number = number << 8 | static_cast<unsigned char>(byte);
  return static_cast<Number>(number);
}

std::string LengthOf(std::string_view text) {
  return BigEndian(static_cast<std::uint32_t>(text.size()));
}

// Reads a file to its end, and keeps the digest of what it has read.
class FileReader {
 public:
  FileReader(std::string path, std::ifstream file, std::uint64_t size)
      : path_(std::move(path)), file_(std::move(file)), left_(size) {}

  absl::StatusOr<std::string> Read(std::uint64_t size) {
    absl::StatusOr<std::string> bytes = ReadUncounted(size);
    if (bytes.ok()) digest_.Update(*bytes);
    return bytes;
  }
  template <typename Number>
  absl::StatusOr<Number> ReadNumber() {
    const absl::StatusOr<std::string> bytes = Read(sizeof(Number));
    if (!bytes.ok()) return bytes.status();
    return FromBigEndian<Number>(*bytes);
  }
  // OK when what follows is the digest of all before it, and nothing comes after that.
  absl::Status CheckDigest() {
    const std::string digest = digest_.Finish();
    const absl::StatusOr<std::string> written = ReadUncounted(digest.size());
    if (!written.ok()) return written.status();
    return *written == digest && left_ == 0 ? absl::OkStatus() : Damaged();
  }
  absl::Status Damaged() const {
    return absl::DataLossError(
        Concat({path_, " is damaged or not whole; take another snapshot or another copy of it"}));
  }

 private:
  absl::StatusOr<std::string> ReadUncounted(std::uint64_t size) {
    if (size > left_) return Damaged();
    std::string bytes(size, '\0');
    if (!file_.read(bytes.data(), static_cast<std::streamsize>(size))) {
      return absl::InvalidArgumentError(
          Concat({"cannot read ", path_, ": ", std::strerror(errno)}));
    }
    left_ -= size;
    return bytes;
  }

  const std::string path_;
  std::ifstream file_;
  std::uint64_t left_;
  Sha256 digest_;
};

class SnapshotFileImpl final : public SnapshotFile {
 public:
  SnapshotFileImpl(std::string path, FileReader reader)
      : path_(std::move(path)), reader_(std::move(reader)) {}

  absl::Status ReadInfo() {
    const auto format = reader_.ReadNumber<std::uint8_t>();
    if (!format.ok()) return format.status();
    if (*format != kFormat) {
      return absl::FailedPreconditionError(
          Concat({path_,
                  " was written by a newer version of Belfry, which can read it, or is "
                  "damaged"}));
    }
    const auto taken = reader_.ReadNumber<std::uint64_t>();
    if (!taken.ok()) return taken.status();
    info_.taken = absl::FromUnixMillis(static_cast<std::int64_t>(*taken));
    const auto length = reader_.ReadNumber<std::uint8_t>();
    if (!length.ok()) return length.status();
    absl::StatusOr<std::string> version = reader_.Read(*length);
    if (!version.ok()) return version.status();
    info_.version = *std::move(version);
    const bool visible =
        std::ranges::all_of(info_.version, [](char c) { return c > ' ' && c <= '~'; });
    return visible ? absl::OkStatus() : reader_.Damaged();
  }

  const SnapshotInfo& info() const override { return info_; }

  absl::StatusOr<std::vector<Entry>> Next(std::size_t bytes) override {
    std::vector<Entry> entries;
    for (std::size_t size = 0; !ended_ && (entries.empty() || size < bytes);) {
      absl::StatusOr<std::optional<Entry>> entry = ReadEntry();
      if (!entry.ok()) return entry.status();
      if (!*entry) break;
      size += kEntryCost + (*entry)->key.size() + (*entry)->value.size();
      entries.push_back(**std::move(entry));
    }
    return entries;
  }

 private:
  // nullopt: that was the end, and all is as it was written.
  absl::StatusOr<std::optional<Entry>> ReadEntry() {
    const auto kind = reader_.ReadNumber<std::uint8_t>();
    if (!kind.ok()) return kind.status();
    if (*kind == kEnd) return ReadEnd();
    if (*kind != kEntry) return reader_.Damaged();
    const auto key_length = reader_.ReadNumber<std::uint32_t>();
    if (!key_length.ok()) return key_length.status();
    const auto value_length = reader_.ReadNumber<std::uint32_t>();
    if (!value_length.ok()) return value_length.status();
    absl::StatusOr<std::string> key = reader_.Read(*key_length);
    if (!key.ok()) return key.status();
    absl::StatusOr<std::string> value = reader_.Read(*value_length);
    if (!value.ok()) return value.status();
    ++entries_;
    return Entry{*std::move(key), *std::move(value)};
  }

  absl::StatusOr<std::optional<Entry>> ReadEnd() {
    ended_ = true;
    const auto written = reader_.ReadNumber<std::uint64_t>();
    if (!written.ok()) return written.status();
    if (*written != entries_) return reader_.Damaged();
    if (absl::Status wrong = reader_.CheckDigest(); !wrong.ok()) return wrong;
    return std::nullopt;
  }

  const std::string path_;
  FileReader reader_;
  SnapshotInfo info_;
  std::uint64_t entries_ = 0;
  bool ended_ = false;
};

}  // namespace

std::string SnapshotEncoder::Counted(std::string bytes) {
  digest_.Update(bytes);
  return bytes;
}

std::string SnapshotEncoder::Begin(const SnapshotInfo& info) {
  const std::string version = info.version.substr(0, 255);
  // The magic tells what file it is, and is not part of what is checked.
  return Concat({kMagic, Counted(Concat(
                             {{&kFormat, 1},
                              BigEndian(static_cast<std::uint64_t>(absl::ToUnixMillis(info.taken))),
                              BigEndian(static_cast<std::uint8_t>(version.size())),
                              version}))});
}

std::string SnapshotEncoder::Add(std::span<const Entry> entries) {
  std::string bytes;
  for (const Entry& entry : entries) {
    bytes += kEntry;
    bytes += LengthOf(entry.key);
    bytes += LengthOf(entry.value);
    bytes += entry.key;
    bytes += entry.value;
  }
  entries_ += entries.size();
  return Counted(std::move(bytes));
}

std::string SnapshotEncoder::End() {
  std::string end = Counted(Concat({{&kEnd, 1}, BigEndian(entries_)}));
  return end + digest_.Finish();
}

absl::StatusOr<std::unique_ptr<SnapshotFile>> SnapshotFile::Open(const std::string& path) {
  std::error_code error;
  // Opening a pipe would wait for its other end.
  const std::uint64_t size = std::filesystem::file_size(path, error);
  std::ifstream file;
  if (!error) file.open(path, std::ios::binary);
  if (!error && !file) error.assign(errno, std::generic_category());
  if (error) {
    return absl::InvalidArgumentError(Concat({"cannot read ", path, ": ", error.message()}));
  }
  std::string magic(kMagic.size(), '\0');
  if (size < magic.size() || !file.read(magic.data(), static_cast<std::streamsize>(magic.size())) ||
      magic != kMagic) {
    return absl::InvalidArgumentError(Concat({path, " is not a snapshot of Belfry"}));
  }
  auto snapshot = std::make_unique<SnapshotFileImpl>(
      path, FileReader(path, std::move(file), size - magic.size()));
  if (absl::Status failed = snapshot->ReadInfo(); !failed.ok()) return failed;
  return snapshot;
}

}  // namespace belfry::storage
