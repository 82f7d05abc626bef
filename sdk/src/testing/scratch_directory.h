#pragma once

#include <string>

namespace belfry::testing {

// A fresh directory for sockets, short enough for them; gone with everything in it at the end.
// Stops the program when there is no room for one.
class ScratchDirectory final {
 public:
  ScratchDirectory();
  ~ScratchDirectory();
  ScratchDirectory(const ScratchDirectory&) = delete;
  ScratchDirectory& operator=(const ScratchDirectory&) = delete;

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace belfry::testing
