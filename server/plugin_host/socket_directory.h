#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "base/descriptor.h"

namespace belfry::plugin_host {

// The folder in which every socket of this host and its plugins lives, and the guard, a process
// that outlives a killed host just long enough to kill its plugins and to remove the folder
// (guard_main.cc). Thread-safe. Destroying it removes the folder.
class SocketDirectory {
 public:
  // Makes `path` with mode 0700 (an empty folder of the same user may be there already) and starts
  // the guard. InvalidArgument: the path is too long for sockets. FailedPrecondition: it cannot be
  // made or holds something already. Unavailable: the guard does not start.
  static absl::StatusOr<std::unique_ptr<SocketDirectory>> Create(std::string path,
                                                                 std::string guard_program);
  ~SocketDirectory();
  SocketDirectory(const SocketDirectory&) = delete;
  SocketDirectory& operator=(const SocketDirectory&) = delete;

  // A new folder in it, for one plugin process. Unavailable when it cannot be made.
  absl::StatusOr<std::string> MakeFolder();

  // With `guard_program` "run" before its own path, and this as descriptor 3, a plugin is known to
  // the guard before it runs.
  const std::string& guard_program() const { return guard_program_; }
  int guard_descriptor() const { return guard_pipe_.get(); }

 private:
  SocketDirectory(std::string path, std::string guard_program)
      : path_(std::move(path)), guard_program_(std::move(guard_program)) {}
  absl::Status StartGuard();

  const std::string path_;
  const std::string guard_program_;
  Descriptor guard_pipe_;
  pid_t guard_ = 0;
  std::atomic<std::uint32_t> folders_ = 0;
};

// Where the guard lies when nobody says otherwise: beside the program that runs.
std::string DefaultGuardProgram();

}  // namespace belfry::plugin_host
