#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/time/time.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/logging.h"
#include "base/metrics.h"
#include "proto/vault/event.pb.h"
#include "server/plugin_host/large_paths.h"
#include "server/plugin_host/stored_requests.h"
#include "server/storage/storage.h"

namespace belfry::plugin_host {

// What one mount of one plugin process may use of the host. The pointers must outlive HostServices.
struct MountServices {
  logical::EventPluginInfo plugin_info;
  std::string program;  // The name of the plugin's file.
  // Where its events are committed, too. Null while a plugin is registered: its calls fail, and its
  // events reach nobody.
  storage::Storage* storage = nullptr;
  std::atomic<std::uint64_t>* writes = nullptr;  // Counts those of the plugin; may be null.
  // Learns what requests read from storage; null: nothing is learnt.
  std::shared_ptr<LargePaths> large_paths;
  // Learns which requests have stored something; null: nothing is learnt.
  std::shared_ptr<StoredRequests> stored_requests;
  const Clock* clock = nullptr;
  Metrics* metrics = nullptr;
  Logger logger;
  Limits limits;
  bool local = false;
  bool caching_disabled = false;
  absl::Duration default_lease_ttl;
  absl::Duration max_lease_ttl;
  std::string vault_version;
};

}  // namespace belfry::plugin_host
