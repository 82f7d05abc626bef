#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace belfry::plugin_host {

// Which programs are plugins: the executable files of some folders. "belfry-kv" is the plugin `kv`,
// any other file is called what it is called; the first folder wins. A value.
class Catalog {
 public:
  // Folders that cannot be read are as good as empty.
  static Catalog Scan(const std::vector<std::string>& directories);

  // The program's path. NotFound "plugin not found in the catalog: <name>".
  absl::StatusOr<std::string> Find(std::string_view name) const;
  // In order.
  std::vector<std::string> Names() const;

 private:
  std::map<std::string, std::string, std::less<>> programs_;
};

// The sha256 of a file in hex; Unavailable when it cannot be read.
absl::StatusOr<std::string> Sha256OfFile(const std::string& path);

}  // namespace belfry::plugin_host
