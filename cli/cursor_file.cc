#include "cli/cursor_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <utility>

#include "base/descriptor.h"
#include "cli/cursor.h"
#include "cli/input.h"
#include "cli/text.h"

namespace belfry::cli {
namespace {

namespace fs = std::filesystem;

// Only its owner may read it. A file that a crash has left there is written over.
Descriptor CreateFile(const std::string& path) {
  return Descriptor(
      ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600));
}

// Without fsync, a crash of the machine could leave an empty file under the new name.
bool WriteFile(const std::string& path, std::string_view text) {
  const Descriptor file = CreateFile(path);
  return file.ok() &&
         ::write(file.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()) &&
         ::fsync(file.get()) == 0;
}

}  // namespace

absl::StatusOr<std::string> CursorFile::Load() {
  std::error_code ignored;
  if (path_.empty()) return std::string();
  // The file behind a link is replaced, not the link.
  if (const fs::path real = fs::canonical(path_, ignored); !real.empty()) path_ = real.string();
  if (absl::Status failed = CheckWritable(); !failed.ok()) return failed;
  if (!fs::exists(path_, ignored)) return std::string();
  if (!fs::is_regular_file(path_, ignored)) {
    return absl::InvalidArgumentError(
        Concat("the cursor file ", path_, " is not a regular file: name another one"));
  }
  absl::StatusOr<std::string> text = ReadFile(path_);
  if (!text.ok()) return text.status();
  const std::string_view cursor = Trimmed(*text);
  if (cursor.empty() || IsCursor(cursor)) return std::string(cursor);
  return absl::InvalidArgumentError(
      Concat("the cursor file ", path_,
             " does not hold a cursor, such as 3f9ac2d41e07b856-42: name another file, or remove "
             "it, and say with -after where to begin"));
}

void CursorFile::Set(std::string cursor) {
  cursor_ = std::move(cursor);
  ++unsaved_;
}

absl::Status CursorFile::Save() {
  if (path_.empty() || unsaved_ == 0) return absl::OkStatus();
  const std::string temporary = TemporaryPath();
  errno = 0;
  if (!WriteFile(temporary, Concat(cursor_, "\n")) ||
      std::rename(temporary.c_str(), path_.c_str()) != 0) {
    return NotWritten();
  }
  unsaved_ = 0;
  return absl::OkStatus();
}

absl::Status CursorFile::CheckWritable() const {
  const std::string temporary = TemporaryPath();
  if (!CreateFile(temporary).ok()) return NotWritten();
  ::unlink(temporary.c_str());
  return absl::OkStatus();
}

absl::Status CursorFile::NotWritten() const {
  const std::string reason = errno == 0 ? "no room for it" : std::generic_category().message(errno);
  return absl::FailedPreconditionError(
      Concat("cannot write the cursor file ", path_, ": ", reason));
}

}  // namespace belfry::cli
