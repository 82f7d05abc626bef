#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "server/host_config.h"

namespace belfry {

// A file of configuration, in HCL or, when it begins with a brace, in JSON.
struct ConfigurationFile {
  std::string name;  // As errors show it.
  std::string text;
};

// What the files together ask for, with Vault's names; docs/operations.md lists them. Each file
// adds to those before it. InvalidArgument has a line for each error,
// "FILE:LINE:COLUMN: what, and what to write instead", or "FILES: …" where something is missing:
// keys that are not known, values that cannot be used, and what is said twice, with both places.
//
// cluster_addr, disable_clustering, disable_mlock, experiments and telemetry are checked and change
// nothing: there is one node, keys are locked in memory where the system allows it, and events and
// metrics are always on. `version` and `guard_program` are not of the files. Pure, thread-safe.
absl::StatusOr<HostConfig> ParseConfiguration(std::span<const ConfigurationFile> files);

// The same of files on disk: each path is a file, or a directory for all of its *.hcl and *.json in
// lexical order. InvalidArgument also for what cannot be read.
absl::StatusOr<HostConfig> ReadConfiguration(std::span<const std::string> paths);

// The keys that differ and take effect when the server starts: all but log_level and plugin.
std::vector<std::string_view> ChangesThatNeedRestart(const HostConfig& before,
                                                     const HostConfig& after);

}  // namespace belfry
