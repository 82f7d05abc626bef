#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "base/limits.h"
#include "base/logging.h"
#include "server/http/tls_options.h"
#include "server/mounts/plugin_catalog.h"
#include "server/seal/seal_options.h"

namespace belfry {

// Where clients connect.
struct ListenerConfig {
  std::string address = "127.0.0.1";    // An IP address.
  std::uint16_t port = 8200;            // 0: any free one.
  std::optional<http::TlsOptions> tls;  // Without it: in plain text.
  bool open_metrics = false;            // Whether everyone there may read the metrics.

  bool operator==(const ListenerConfig&) const = default;
};

// Where everything lies that the server stores, encrypted.
struct StorageConfig {
  enum class Kind { kInMemory, kRocksDb };
  static constexpr Kind kKinds[] = {Kind::kInMemory, Kind::kRocksDb};
  Kind kind = Kind::kInMemory;
  std::string path;  // Of RocksDB: the data directory.

  bool operator==(const StorageConfig&) const = default;
};

// How many of the events are kept for those who resume: at most so many bytes, for so long.
struct JournalConfig {
  std::size_t max_bytes = 0;  // 0: a gibibyte on a disk, and a sixteenth of that in memory.
  absl::Duration max_age = absl::Hours(168);

  bool operator==(const JournalConfig&) const = default;
};

// As a configuration and `sys/seal-status` name it.
constexpr std::string_view NameOf(StorageConfig::Kind kind) {
  switch (kind) {
    case StorageConfig::Kind::kInMemory:
      return "inmem";
    case StorageConfig::Kind::kRocksDb:
      return "rocksdb";
  }
  return "";
}

// Dev mode: in memory, initialized and unsealed from the beginning, with secret/ mounted.
struct DevConfig {
  std::string root_token;
};

// What a server is asked to be.
struct HostConfig {
  std::optional<DevConfig> dev;
  std::vector<ListenerConfig> listeners = {ListenerConfig()};  // At least one.
  StorageConfig storage;
  JournalConfig journal;
  seal::SealOptions seal;
  // Where clients reach this server, "https://belfry.example:8200", for those who ask; "" when that
  // is not known.
  std::string api_address;
  std::vector<std::string> plugin_directories;
  // Declared in the configuration: they stand in the catalog without having been registered.
  std::vector<mounts::PluginEntry> plugins;
  // The program that cleans up after a killed host; empty: belfry-plugin-guard beside this program.
  std::string guard_program;
  // How often plugins are asked to do what is due.
  absl::Duration periodic_interval = absl::Minutes(1);
  std::string log_level = "info";  // trace, debug, info, warn, error
  LogFormat log_format = LogFormat::kStandard;
  std::string log_file;      // Empty: standard error.
  std::string pid_file;      // Where `belfry server` writes its process id; empty: nowhere.
  std::string cluster_name;  // Empty: a random one.
  // Vault's experiments that were asked for; they change nothing here.
  std::vector<std::string> experiments;
  Limits limits;
  // This program's own version, X.Y.Z; clients are told the Vault whose behaviour they may count
  // on, "+belfry." and this. Empty: that Vault alone.
  std::string version;
};

}  // namespace belfry
