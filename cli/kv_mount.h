#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "cli/client.h"

namespace belfry::cli {

// The kv mount that a secret lies in, and the secret's name there.
struct KvLocation {
  std::string mount;  // With its final '/'; empty when the server is too old to tell.
  std::string key;    // Without the mount and without slashes around it.
  bool versioned = false;

  // Where the API has it: "secret/data/foo" for `area` "data" of a versioned mount, "kv1/foo"
  // whatever the area otherwise.
  std::string Path(std::string_view area) const;
};

// Asks the server which mount `path` is in. `mount` is what -mount said; then `path` is the key
// alone. Both may be spelled with superfluous slashes. InvalidArgument for a path that CleanPath
// refuses or that is empty; FailedPrecondition with the server's errors when the token may see
// nothing there.
absl::StatusOr<KvLocation> Locate(Client& client, std::string_view mount, std::string_view path);

}  // namespace belfry::cli
