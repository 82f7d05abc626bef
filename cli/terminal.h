#pragma once

#include <functional>
#include <iosfwd>
#include <optional>
#include <string>

#include "absl/time/time.h"

namespace belfry::cli {

// What a command sees of the world around it. A test gives it another. All pointers must outlive
// the command.
struct Terminal {
  std::istream* in = nullptr;
  std::ostream* out = nullptr;
  std::ostream* err = nullptr;
  // The descriptor behind `out`, to learn when its reader has gone; -1: none.
  int output_descriptor = -1;
  // The descriptor behind `in`, to read a secret without echo where it is a terminal; -1: none.
  int input_descriptor = -1;
  // How long the server of a stream may be silent before it is asked for a sign of life.
  absl::Duration ping_after = absl::Seconds(30);
  // How long to wait at most before a lost stream is opened again; twice as long after each attempt
  // that failed, up to thirty times as long.
  absl::Duration reconnect_delay = absl::Seconds(1);
  // An environment variable; nullopt when it is not set.
  std::function<std::optional<std::string>(const char* name)> environment;
};

// Exit codes are Vault's.
inline constexpr int kSuccess = 0;
inline constexpr int kUsageError = 1;
inline constexpr int kRequestError = 2;
inline constexpr int kUnknownCommand = 127;

}  // namespace belfry::cli
