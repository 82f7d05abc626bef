#include "sdk/src/testing/scratch_directory.h"

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <system_error>

namespace belfry::testing {

ScratchDirectory::ScratchDirectory() : path_("/tmp/belfry-XXXXXX") {
  if (::mkdtemp(path_.data()) == nullptr) {
    std::fprintf(stderr, "belfry: cannot make a directory below /tmp\n");
    std::abort();
  }
}

ScratchDirectory::~ScratchDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace belfry::testing
