#pragma once

#include <cstddef>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace belfry::cli {

// A file that holds the cursor of the last event that was dealt with. It is replaced as a whole: a
// crash, also one of the machine, leaves the old cursor or the new one. Two processes must not
// share one. Not thread-safe.
class CursorFile {
 public:
  // An empty path asks for no file: Load finds nothing, and Save does nothing.
  explicit CursorFile(std::string path) : path_(std::move(path)) {}

  // The cursor in the file; "" when there is no file, or nothing in it. InvalidArgument, with what
  // to do about it, when it holds something else or cannot be read; Unavailable when Save could not
  // write it. The file is not changed.
  absl::StatusOr<std::string> Load();

  // What Save is to write.
  void Set(std::string cursor);
  // How many calls of Set have not been saved.
  std::size_t unsaved() const { return unsaved_; }
  // Writes the last cursor that was set, unless that has been done. FailedPrecondition, naming the
  // file, when it cannot be written; it then holds what it held before.
  absl::Status Save();

 private:
  std::string TemporaryPath() const { return path_ + ".new"; }
  absl::Status CheckWritable() const;
  absl::Status NotWritten() const;

  std::string path_;
  std::string cursor_;
  std::size_t unsaved_ = 0;
};

}  // namespace belfry::cli
