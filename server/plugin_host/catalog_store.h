#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/mounts/plugin_catalog.h"
#include "server/storage/storage.h"

namespace belfry::plugin_host {

// A plugin as it was registered.
struct Registration {
  mounts::PluginEntry entry;
  // It is what mounts get that name no version: the program without one that was found in a folder
  // is not in the catalog any more.
  bool replaces_unversioned = false;
};

// What operators have registered, in storage. Thread-safe. Every call may block, and returns what
// storage said when that failed; then nothing has changed.
class CatalogStore {
 public:
  // `storage` must outlive it. Entries lie below "sys/plugin-catalog/".
  explicit CatalogStore(storage::Storage* storage);

  // DataLoss when one cannot be read, with what to do.
  absl::StatusOr<std::vector<Registration>> Load() const;
  // In place of the one with its type, name and version.
  absl::Status Put(const Registration& registration);
  absl::Status Delete(mounts::PluginType type, std::string_view name, std::string_view version);

 private:
  const std::unique_ptr<storage::Storage> entries_;
};

}  // namespace belfry::plugin_host
