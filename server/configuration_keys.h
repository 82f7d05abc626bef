#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "server/access/hcl.h"
#include "server/host_config.h"
#include "server/http/tls_options.h"

namespace belfry {

// Which keys a configuration may have, where, and what they mean.

struct ListenerDraft {
  std::string place;      // Where it is written.
  ListenerConfig config;  // Without `tls`.
  bool tls_disabled = false;
  http::TlsOptions tls;  // Unless it is disabled.
  bool client_certificates_disabled = false;
  bool client_certificates_required = false;
};

struct PluginDraft {
  std::string place;  // Where it is written.
  mounts::PluginEntry entry;
};

// What has been read so far.
struct ConfigurationDraft {
  HostConfig config;                     // Without `listeners` and `plugins`.
  std::vector<PluginDraft> plugins;      // As the next one.
  std::vector<ListenerDraft> listeners;  // The last one is being read.
  // Of keys that are only checked.
  bool ignored_flag = false;
  std::string ignored_text;
};

// One `name = value`.
struct ConfigurationKey {
  std::string_view name;
  // Reads the value into the draft; or says what is wrong with it, and what to write instead.
  std::optional<std::string> (*take)(const ConfigurationKey& key, const access::hcl::Item& item,
                                     ConfigurationDraft* draft);
  std::string_view example;  // A value, as it is written.
};

// `name "type" { … }`, of a kind of which there is one, or any number of listeners; `plugin
// "secret" "name" { … }`; or `name { … }`, whose keys may stand in several blocks.
struct ConfigurationBlock {
  std::string_view name;
  std::string_view type;
  std::span<const ConfigurationKey> keys;
  std::string_view example;  // The whole block, as it is written.
};

// Those outside of any block.
std::span<const ConfigurationKey> TopConfigurationKeys();
std::span<const ConfigurationBlock> ConfigurationBlocks();

inline constexpr std::string_view kListenerExample =
    "listener \"tcp\" { address = \"127.0.0.1:8200\" tls_cert_file = \"/etc/belfry/tls.crt\" "
    "tls_key_file = \"/etc/belfry/tls.key\" }";
inline constexpr std::string_view kPluginExample =
    "plugin \"secret\" \"name\" { command = \"belfry-name\" sha256 = \"…\" }";
inline constexpr std::string_view kRocksDbExample =
    "storage \"rocksdb\" { path = \"/var/lib/belfry\" }";
inline constexpr std::string_view kFileSealExample =
    "seal \"file\" { path = \"/etc/belfry/seal.key\" }";
inline constexpr std::string_view kCommandSealExample =
    "seal \"command\" { command = \"/usr/local/bin/wrap\" }";
inline constexpr std::string_view kInMemoryExample = "storage \"inmem\" {}";

}  // namespace belfry
