#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"

namespace belfry::seal {

// What unseals a server: people with shares of the unseal key, or the server itself. The numbers
// are stored.
enum class SealKind : unsigned char { kShamir = 0, kFile = 1, kCommand = 2 };

// As sys/seal-status and the configuration name it.
constexpr std::string_view NameOf(SealKind kind) {
  switch (kind) {
    case SealKind::kShamir:
      return "shamir";
    case SealKind::kFile:
      return "file";
    case SealKind::kCommand:
      return "command";
  }
  return "";
}

// What the configuration says of the seal.
struct SealOptions {
  SealKind kind = SealKind::kShamir;
  std::string path;  // Of kFile: the file with the key.
  // Of kCommand: the program's absolute path, what it gets before "wrap" or "unwrap", and for how
  // long it may run.
  std::string command;
  std::vector<std::string> args;
  absl::Duration timeout = absl::Seconds(10);

  bool operator==(const SealOptions&) const = default;
};

}  // namespace belfry::seal
