#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "server/storage/storage.h"

namespace belfry::process {

// By what names the server is known that has this storage.
struct ServerNames {
  std::string cluster_name;
  std::string cluster_id;
};

// As they are stored, but for a name that is given; new ones where there are none yet. Waits for
// storage, and returns what that said when it failed.
absl::StatusOr<ServerNames> OpenServerNames(storage::Storage* storage,
                                            const std::string& cluster_name);

}  // namespace belfry::process
