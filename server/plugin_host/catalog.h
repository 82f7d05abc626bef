#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/mutex.h"
#include "server/mounts/plugin_catalog.h"

namespace belfry::plugin_host {

// What is registered, and the programs that it names: files in some folders, and in none that a
// link of theirs leads to. Thread-safe. (plugin-protocol 6.1)
class Catalog {
 public:
  explicit Catalog(std::vector<std::string> directories) : directories_(std::move(directories)) {}

  // Registers every executable file of the folders, with its sha256 and without a version:
  // "belfry-kv" as the plugin `kv`, any other file as what it is called; the first folder wins.
  // Folders and files that cannot be read are left out. Returns what an operator should know: which
  // programs were left out because a link leaves its folder, and which others may write.
  std::vector<std::string> Scan();

  // The path of the program. InvalidArgument: a field of `entry` is wrong, or no folder has the
  // command. FailedPrecondition "could not set plugin, plugin directory is not configured".
  absl::StatusOr<std::string> Check(const mounts::PluginEntry& entry) const;
  // The same, and FailedPrecondition when the program has another sha256 than the entry. Reads it.
  absl::Status CheckProgram(const mounts::PluginEntry& entry) const;
  // An entry that Scan has registered, and nobody since, is the file as it lies there.
  struct Rebuilt {
    mounts::PluginEntry entry;  // With the new sha256.
    bool first = false;         // The catalog has not had it before.
  };
  // When the file has changed since `entry` or since the catalog last looked: what it is now.
  // Otherwise nullopt.
  std::optional<Rebuilt> TakeRebuilt(const mounts::PluginEntry& entry, const std::string& path);
  // From now on these are the declared ones, in place of those declared before. Each hides what has
  // been registered or found with its type, name and version. Returns the names of those that were
  // declared before and have changed or are not any more.
  std::vector<std::string> Declare(std::vector<mounts::PluginEntry> entries);
  // InvalidArgument, with what to do, when one of this type and name is declared, whatever its
  // version: another version could be what mounts get. OK for any other.
  absl::Status CheckNotDeclared(mounts::PluginType type, std::string_view name) const;
  // Puts `entry` in place of the one with its type, name and version that is not declared.
  void Put(mounts::PluginEntry entry);
  void Remove(mounts::PluginType type, std::string_view name, std::string_view version);
  std::optional<mounts::PluginEntry> Get(mounts::PluginType type, std::string_view name,
                                         std::string_view version) const;
  // The secrets plugin that a mount gets: of this version or, where that is "", the one without a
  // version, else the newest. NotFound "plugin not found in the catalog: <name>"; where a folder
  // has a file of this name, with why that is not registered.
  absl::StatusOr<mounts::PluginEntry> Resolve(std::string_view name,
                                              std::string_view version) const;
  // In order of type, name and version.
  std::vector<mounts::PluginEntry> List() const;

 private:
  absl::Status NotRegistered(std::string_view name) const;

  using Key = std::tuple<mounts::PluginType, std::string, std::string>;

  const std::vector<std::string> directories_;
  mutable Mutex mutex_;
  std::map<Key, mounts::PluginEntry> entries_ ABSL_GUARDED_BY(mutex_);
  std::set<Key> scanned_ ABSL_GUARDED_BY(mutex_);
  std::map<Key, mounts::PluginEntry> declared_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace belfry::plugin_host
