#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace belfry::mounts {

enum class PluginType { kAuth, kDatabase, kSecret };

// Vault's word for it: "auth", "database", "secret".
std::string_view PluginTypeName(PluginType type);
// nullopt for any other word.
std::optional<PluginType> PluginTypeNamed(std::string_view name);

// A program that an operator has registered under a name. Two mounts share a process when their
// entries are equal. (plugin-protocol 4.2, 6.1)
struct PluginEntry {
  PluginType type = PluginType::kSecret;
  std::string name;
  std::string version;  // Semantic, with its "v"; "": none.
  std::string command;  // A file in a plugin directory.
  std::vector<std::string> args;
  std::vector<std::string> env;  // "NAME=value"
  std::string sha256;            // Of the program, in hex; checked at every start.

  bool operator==(const PluginEntry&) const = default;
};

// What became of the processes of one catalog entry.
struct PluginProcesses {
  struct Process {
    pid_t pid = 0;
    absl::Time started;
    std::vector<std::string> mounts;  // The paths that it serves, in order.
  };
  std::string name;
  std::string version;
  std::vector<Process> running;
  int crashes = 0;         // Ends that nobody asked for, since the host started.
  std::string last_crash;  // "was ended by signal 9 (Killed)"; "" when there was none.
  // Start-ups after a crash that have not led to one answer yet, and when the next may be.
  int fruitless_restarts = 0;
  absl::Time next_restart = absl::InfinitePast();
};

// Which plugins there are. Thread-safe.
class PluginCatalog {
 public:
  virtual ~PluginCatalog() = default;
  // Puts `entry` in place of the one with its type, name and version. Starts the program once, to
  // see that it is a plugin of this type and version; blocks for that long. An entry without a
  // version gets the one that the plugin reports, and replaces one without. InvalidArgument: the
  // entry itself is wrong. FailedPrecondition "could not set plugin, plugin directory is not
  // configured". Unavailable: the program does not start. Else what storage said: it is not there.
  virtual absl::Status Register(PluginEntry entry) = 0;
  virtual std::optional<PluginEntry> Get(PluginType type, std::string_view name,
                                         std::string_view version) const = 0;
  // What a mount of the secrets plugin `name` gets that names this version, or none (""), when it
  // is started now. NotFound: the catalog has none.
  virtual absl::StatusOr<PluginEntry> Resolve(std::string_view name,
                                              std::string_view version) const = 0;
  // Whatever runs goes on running. What storage said when that failed: it is still there. Blocks.
  virtual absl::Status Remove(PluginType type, std::string_view name, std::string_view version) = 0;
  // In order of type, name and version.
  virtual std::vector<PluginEntry> List() const = 0;
  // Of every entry that has been started, in order of name and version. May block for as long as a
  // plugin takes to stop.
  virtual std::vector<PluginProcesses> Processes() const = 0;
};

}  // namespace belfry::mounts
