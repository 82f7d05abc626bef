#pragma once

#include <memory>
#include <string_view>

#include "absl/status/statusor.h"
#include "server/mounts/engine.h"
#include "server/mounts/mount_entry.h"
#include "server/storage/storage.h"

namespace belfry::mounts {

// Starts engines. Thread-safe; Create may block for as long as a plugin may take to start.
class EngineFactory {
 public:
  virtual ~EngineFactory() = default;
  // `view` is the mount's own storage and outlives the engine. NotFound "plugin not found in the
  // catalog: <type>" when there is no such plugin; Unavailable, with one clear sentence, when it
  // does not start; Aborted when the host itself has interrupted the start.
  virtual absl::StatusOr<std::unique_ptr<Engine>> Create(const MountEntry& entry,
                                                         storage::Storage* view) = 0;
  // From now on no engine joins a process of this plugin that runs already: a restart or a new
  // mount gets a fresh one.
  virtual void RetireProcesses(std::string_view type) = 0;
};

}  // namespace belfry::mounts
