#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/descriptor.h"

namespace belfry::plugin_host {

// A plugin's program, held open: whatever happens to its name in the meantime, what is read here is
// what can be executed. (descriptor 4 of belfry-plugin-guard)
struct ProgramFile {
  Descriptor descriptor;  // For reading; above the numbers that a child gets.
  // Who else may replace the program, one sentence each.
  std::vector<std::string> concerns;
};

// Opens the program at `path`, a file in a plugin directory. A link may lead to another file in the
// same directory or below, never out of it. NotFound: there is nothing. InvalidArgument, with one
// sentence: it is outside, a link to nothing, no regular file, or may not be read and executed.
// Thread-safe.
absl::StatusOr<ProgramFile> OpenProgram(const std::string& path);

// The sha256 of the whole file in hex; Unavailable when it cannot be read. Thread-safe.
absl::StatusOr<std::string> Sha256Of(const Descriptor& file);

// Holds off everybody who wants to write into an open file, until it is destroyed; they wait in
// open(2) for so long, at most as long as the kernel lets them (lease-break-time, 45 s). Renaming
// another file over it is not held off, and changes nothing about what is open. Not thread-safe.
class WriteBar {
 public:
  // `file` must outlive it. Unavailable when somebody has the file open for writing. Where the
  // kernel gives no lease (another user's file, a file system without leases) it bars nothing.
  static absl::StatusOr<WriteBar> On(const Descriptor& file);
  WriteBar(WriteBar&& other) noexcept;
  WriteBar& operator=(WriteBar&&) = delete;
  ~WriteBar();

 private:
  explicit WriteBar(int file) : file_(file) {}
  int file_;  // -1: nothing to release.
};

}  // namespace belfry::plugin_host
