#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/seal/secret_bytes.h"

namespace belfry::seal {

// What one run of a program may write on its standard output.
inline constexpr std::size_t kMaxProgramOutputBytes = 16 * 1024;

// Runs a program with this standard input and waits for its end: what it has written. `arguments`
// begin with its absolute path; of the environment it gets PATH, HOME, LANG, TZ and TMPDIR.
// FailedPrecondition, one sentence with the first line of its standard error, unless it exits with
// 0, within `timeout` and with no more than kMaxProgramOutputBytes; otherwise it is killed. So is
// what it has started, in every case, unless that has left its process group. Thread-safe.
absl::StatusOr<SecretBytes> RunProgram(const std::vector<std::string>& arguments,
                                       std::string_view input, absl::Duration timeout);

}  // namespace belfry::seal
