#include "server/mounts/kv_options.h"

#include "base/text.h"

namespace belfry::mounts {

void ResolveKvType(MountEntry& entry) {
  if (entry.type == "kv-v1" || entry.type == "kv-v2") {
    entry.options["version"] = entry.type.substr(4);
    entry.type = "kv";
  } else if (entry.type == "generic") {
    entry.type = "kv";
  }
  if (entry.type == "kv") entry.options.emplace("version", "1");
}

// The warning is what Vault's clients show. (vault-api-and-events 8.4)
absl::StatusOr<std::string> CheckVersionChange(const std::map<std::string, std::string>& now,
                                               const std::map<std::string, std::string>& wanted) {
  const auto to = wanted.find("version");
  if (to == wanted.end()) return std::string();
  if (to->second != "1" && to->second != "2")
    return absl::InvalidArgumentError(Concat({"invalid version provided: ", to->second}));
  const auto own = now.find("version");
  const std::string from = own == now.end() || own->second.empty() ? "1" : own->second;
  if (from > to->second)
    return absl::InvalidArgumentError(Concat({"cannot downgrade mount from version ", from}));
  if (from == to->second) return std::string();
  return Concat({"Upgrading mount from version ", from, " to version ", to->second,
                 ". This mount will be unavailable for a brief period and will resume service "
                 "shortly."});
}

}  // namespace belfry::mounts
