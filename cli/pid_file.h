#pragma once

#include <string>

#include "absl/status/status.h"
#include "base/descriptor.h"

namespace belfry::cli {

// The file that tells others which process the server is. It is locked (flock) as long as that
// runs, and removed at its end, unless it holds something else by then. Not thread-safe.
class PidFile {
 public:
  PidFile() = default;
  ~PidFile();
  PidFile(const PidFile&) = delete;
  PidFile& operator=(const PidFile&) = delete;

  // An empty path asks for none. Only what such a file holds is written over. InvalidArgument when
  // it holds something else, FailedPrecondition when a running server uses it, Unavailable
  // when it cannot be written; each names the file and says what to do.
  absl::Status Write(const std::string& path);

 private:
  std::string path_;
  Descriptor file_;
};

}  // namespace belfry::cli
