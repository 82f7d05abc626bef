#pragma once

#include <optional>
#include <shared_mutex>
#include <string>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "belfry/storage.h"
#include "plugins/kv/key_metadata.h"

namespace belfry::kv {

// The MountConfig at "<backend uuid>/v2/config": read once, then kept, for every write asks for it.
// Thread-safe.
class ConfigStore {
 public:
  explicit ConfigStore(std::string_view backend_uuid)
      : path_(std::string(backend_uuid) + "/v2/config") {}

  // Codes as of Storage.
  absl::StatusOr<MountConfig> Load(Storage& storage);
  // Stores what `change` makes of it, and tells of that.
  absl::Status Change(Storage& storage, absl::FunctionRef<void(MountConfig&)> change, Event told);
  // Where it is stored, it is read again.
  void Invalidate(std::string_view key);

 private:
  const std::string path_;
  // Held while storage is asked, so that nobody keeps what another has just changed.
  std::shared_mutex mutex_;
  // Guarded by mutex_.
  std::optional<MountConfig> kept_;
  bool doubtful_ = false;  // The last change may yet be done: what is read is not kept.
};

}  // namespace belfry::kv
