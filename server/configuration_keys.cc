#include "server/configuration_keys.h"

#include <algorithm>
#include <utility>

#include "absl/time/time.h"
#include "base/duration.h"
#include "base/strings.h"
#include "base/text.h"
#include "server/listen_address.h"

namespace belfry {
namespace {

using access::hcl::Item;
using access::hcl::Quoted;
using access::hcl::Value;
using Block = ConfigurationBlock;
using Draft = ConfigurationDraft;
using Key = ConfigurationKey;

// Beyond, sums and products of bounds could overflow.
constexpr long long kMaxCount = 1LL << 40;
constexpr absl::Duration kMaxDuration = absl::Hours(24 * 365);
// The end of the server waits as long for the seal's program.
constexpr absl::Duration kMaxSealTimeout = absl::Minutes(1);

// What is wrong with a value, and what to write instead.
using Problem = std::optional<std::string>;

Problem MustBe(const Key& key, std::string_view what) {
  return Concat({key.name, " must be ", what, ", for example ", key.example});
}

// Where a key puts its value.
template <typename T>
T& In(Draft* draft, T Draft::*member) {
  return draft->*member;
}
template <typename T>
T& In(Draft* draft, T HostConfig::*member) {
  return draft->config.*member;
}
template <typename T>
T& In(Draft* draft, T StorageConfig::*member) {
  return draft->config.storage.*member;
}
template <typename T>
T& In(Draft* draft, T JournalConfig::*member) {
  return draft->config.journal.*member;
}
template <typename T>
T& In(Draft* draft, T seal::SealOptions::*member) {
  return draft->config.seal.*member;
}
template <typename T>
T& In(Draft* draft, T ListenerDraft::*member) {
  return draft->listeners.back().*member;
}
template <typename T>
T& In(Draft* draft, T mounts::PluginEntry::*member) {
  return draft->plugins.back().entry.*member;
}
template <typename T>
T& In(Draft* draft, T http::TlsOptions::*member) {
  return draft->listeners.back().tls.*member;
}
template <typename T>
T& In(Draft* draft, T Limits::*member) {
  return draft->config.limits.*member;
}

bool Is(const Item& item, Value::Kind kind) {
  return item.keys.size() == 1 && item.value.kind == kind;
}

template <auto kMember>
Problem TakeText(const Key& key, const Item& item, Draft* draft) {
  if (!Is(item, Value::Kind::kString) || item.value.text.empty() ||
      item.value.text.find('\0') != std::string::npos) {
    return MustBe(key, "a string in quotes that is not empty");
  }
  In(draft, kMember) = item.value.text;
  return std::nullopt;
}

// No search path and no working directory decides which program it is.
Problem TakeCommand(const Key& key, const Item& item, Draft* draft) {
  if (Problem problem = TakeText<&seal::SealOptions::command>(key, item, draft)) return problem;
  if (item.value.text[0] == '/') return std::nullopt;
  return MustBe(key, "the absolute path of a program");
}

template <auto kMember>
Problem TakeStrings(const Key& key, const Item& item, Draft* draft) {
  const bool all_strings =
      Is(item, Value::Kind::kList) &&
      std::all_of(item.value.list.begin(), item.value.list.end(), [](const Value& value) {
        return value.kind == Value::Kind::kString && value.text.find('\0') == std::string::npos;
      });
  if (!all_strings) return MustBe(key, "a list of strings in quotes");
  std::vector<std::string>& strings = In(draft, kMember);
  for (const Value& value : item.value.list) strings.push_back(value.text);
  return std::nullopt;
}

// Also 1, 0 and a string, as Vault takes them.
std::optional<bool> ToBool(const Item& item) {
  const bool scalar = Is(item, Value::Kind::kBool) || Is(item, Value::Kind::kNumber) ||
                      Is(item, Value::Kind::kString);
  return scalar ? ParseBool(item.value.text) : std::nullopt;
}

template <auto kMember>
Problem TakeBool(const Key& key, const Item& item, Draft* draft) {
  const std::optional<bool> value = ToBool(item);
  if (!value) return MustBe(key, "true or false");
  In(draft, kMember) = *value;
  return std::nullopt;
}

std::optional<absl::Duration> ToDuration(const Item& item) {
  if (Is(item, Value::Kind::kString)) return ParseDuration(item.value.text);
  if (!Is(item, Value::Kind::kNumber)) return std::nullopt;
  const std::optional<long long> seconds = ToNumber(item.value.text);
  return seconds ? DurationOfSeconds(*seconds) : std::nullopt;
}

template <auto kMember>
Problem TakeDuration(const Key& key, const Item& item, Draft* draft) {
  const std::optional<absl::Duration> value = ToDuration(item);
  if (!value || *value <= absl::ZeroDuration())
    return MustBe(key, "a duration above zero, in seconds or with a unit");
  In(draft, kMember) = *value;
  return std::nullopt;
}

template <auto kMember>
Problem TakeBound(const Key& key, const Item& item, Draft* draft) {
  if (const auto value = ToDuration(item); value && *value > kMaxDuration)
    return MustBe(key, "a duration of a year at most");
  return TakeDuration<kMember>(key, item, draft);
}

template <auto kMember>
Problem TakeCount(const Key& key, const Item& item, Draft* draft) {
  const std::optional<long long> value =
      Is(item, Value::Kind::kNumber) ? ToNumber(item.value.text) : std::nullopt;
  if (!value || *value < 1 || *value > kMaxCount) {
    return MustBe(key, Concat({"a whole number from 1 to ", std::to_string(kMaxCount)}));
  }
  In(draft, kMember) = static_cast<std::size_t>(*value);
  return std::nullopt;
}

Problem TakeSealTimeout(const Key& key, const Item& item, Draft* draft) {
  if (const auto value = ToDuration(item); value && *value > kMaxSealTimeout)
    return MustBe(key, "a duration of a minute at most");
  return TakeDuration<&seal::SealOptions::timeout>(key, item, draft);
}

bool IsPort(std::string_view text) {
  const std::optional<long long> port = ToNumber(text);
  return port && *port >= 1 && *port <= 65535;
}

// http:// or https:// with a host and perhaps a port, and nothing behind them but a slash.
bool IsServerUrl(std::string_view url) {
  std::string_view rest = WithoutPrefix(url, url.starts_with("https:") ? "https://" : "http://");
  if (rest.size() == url.size()) return false;
  rest = WithoutSuffix(rest, "/");
  const bool bracket = rest.starts_with('[');
  if (bracket && rest.find(']') == std::string_view::npos) return false;
  const std::size_t end = bracket ? rest.find(']') + 1 : std::min(rest.find(':'), rest.size());
  const std::string_view host = rest.substr(0, end);
  const std::string_view port = rest.substr(end);
  const bool shows = std::all_of(host.begin(), host.end(), [](char c) {
    return c > ' ' && c <= '~' && std::string_view("/?#@\\\"").find(c) == std::string_view::npos;
  });
  return !host.empty() && shows && (port.empty() || (port[0] == ':' && IsPort(port.substr(1))));
}

template <auto kMember>
Problem TakeUrl(const Key& key, const Item& item, Draft* draft) {
  if (!Is(item, Value::Kind::kString) || !IsServerUrl(item.value.text))
    return MustBe(key, "an http or https URL of a host and a port");
  In(draft, kMember) = std::string(WithoutSuffix(item.value.text, "/"));
  return std::nullopt;
}

Problem TakeListenAddress(const Key& key, const Item& item, Draft* draft) {
  if (!Is(item, Value::Kind::kString)) return MustBe(key, "ADDRESS:PORT in quotes");
  absl::StatusOr<ListenerConfig> listener = ParseListenAddress(item.value.text);
  if (!listener.ok()) {
    return Concat(
        {"cannot listen on ", Quoted(item.value.text), ": ", ToStd(listener.status().message())});
  }
  ListenerConfig& config = draft->listeners.back().config;
  config.address = std::move(listener->address);
  config.port = listener->port;
  return std::nullopt;
}

// Vault's names; the older ones that it also knows are refused.
template <auto kMember>
Problem TakeTlsVersion(const Key& key, const Item& item, Draft* draft) {
  const std::string& name = item.value.text;
  if (!Is(item, Value::Kind::kString) || (name != "tls12" && name != "tls13"))
    return MustBe(key, "\"tls12\" or \"tls13\"");
  In(draft, kMember) = name == "tls12" ? http::TlsVersion::k12 : http::TlsVersion::k13;
  return std::nullopt;
}

// Of a listener: telemetry { unauthenticated_metrics_access = true }.
Problem TakeListenerTelemetry(const Key& key, const Item& item, Draft* draft) {
  constexpr std::string_view kOpen = "unauthenticated_metrics_access";
  const bool is_block = Is(item, Value::Kind::kObject);
  if (!is_block || item.value.object.size() != 1 || item.value.object[0].keys[0].text != kOpen) {
    return Concat({key.name, " of a listener is ", key.example});
  }
  const std::optional<bool> open = ToBool(item.value.object[0]);
  if (!open) return Concat({kOpen, " must be true or false"});
  draft->listeners.back().config.open_metrics = *open;
  return std::nullopt;
}

Problem TakeLogLevel(const Key& key, const Item& item, Draft* draft) {
  const std::string level = Lower(item.value.text);
  if (!Is(item, Value::Kind::kString) || !LogLevelNamed(level))
    return MustBe(key, "trace, debug, info, warn or error");
  draft->config.log_level = level;
  return std::nullopt;
}

Problem TakeLogFormat(const Key& key, const Item& item, Draft* draft) {
  const std::string& format = item.value.text;
  if (!Is(item, Value::Kind::kString) || (format != "standard" && format != "json"))
    return MustBe(key, "\"standard\" or \"json\"");
  draft->config.log_format = format == "json" ? LogFormat::kJson : LogFormat::kStandard;
  return std::nullopt;
}

Problem TakePluginDirectory(const Key& key, const Item& item, Draft* draft) {
  if (Problem problem = TakeText<&Draft::ignored_text>(key, item, draft)) return problem;
  draft->config.plugin_directories = {item.value.text};
  return std::nullopt;
}

Problem TakeExperiments(const Key& key, const Item& item, Draft* draft) {
  const bool known =
      Is(item, Value::Kind::kList) &&
      std::all_of(item.value.list.begin(), item.value.list.end(), [](const Value& name) {
        return name.kind == Value::Kind::kString && name.text == "events.alpha1";
      });
  if (!known) return MustBe(key, "a list of known experiments");
  for (const Value& name : item.value.list) draft->config.experiments.push_back(name.text);
  return std::nullopt;
}

Problem TakeUi(const Key& key, const Item& item, Draft*) {
  const std::optional<bool> value = ToBool(item);
  if (!value) return MustBe(key, "false");
  return *value ? Problem("there is no console yet: write ui = false, or remove it") : std::nullopt;
}

Problem TakeRetention(const Key& key, const Item& item, Draft*) {
  const std::optional<absl::Duration> value = ToDuration(item);
  if (value && *value >= absl::ZeroDuration()) return std::nullopt;
  return MustBe(key, "a duration, in seconds or with a unit");
}

// What follows is one table for each place where keys may stand.

constexpr Key kTopKeys[] = {
    {"api_addr", TakeUrl<&HostConfig::api_address>, "\"http://10.0.0.1:8200\""},
    {"cluster_addr", TakeUrl<&Draft::ignored_text>, "\"https://10.0.0.1:8201\""},
    {"cluster_name", TakeText<&HostConfig::cluster_name>, "\"belfry-1\""},
    {"default_lease_ttl", TakeDuration<&Limits::default_lease_ttl>, "\"768h\""},
    {"disable_clustering", TakeBool<&Draft::ignored_flag>, "true"},
    {"disable_mlock", TakeBool<&Draft::ignored_flag>, "true"},
    {"experiments", TakeExperiments, "[\"events.alpha1\"]"},
    {"log_file", TakeText<&HostConfig::log_file>, "\"/var/log/belfry/belfry.log\""},
    {"log_format", TakeLogFormat, "\"json\""},
    {"log_level", TakeLogLevel, "\"info\""},
    {"max_lease_ttl", TakeDuration<&Limits::max_lease_ttl>, "\"768h\""},
    {"pid_file", TakeText<&HostConfig::pid_file>, "\"/run/belfry/belfry.pid\""},
    {"plugin_directory", TakePluginDirectory, "\"/usr/lib/belfry/plugins\""},
    {"ui", TakeUi, "false"},
};

constexpr Key kListenerKeys[] = {
    {"address", TakeListenAddress, "\"127.0.0.1:8200\""},
    {"telemetry", TakeListenerTelemetry, "telemetry { unauthenticated_metrics_access = true }"},
    {"tls_cert_file", TakeText<&http::TlsOptions::certificate_file>, "\"/etc/belfry/tls.crt\""},
    {"tls_client_ca_file", TakeText<&http::TlsOptions::client_ca_file>,
     "\"/etc/belfry/clients.crt\""},
    {"tls_disable", TakeBool<&ListenerDraft::tls_disabled>, "true"},
    {"tls_disable_client_certs", TakeBool<&ListenerDraft::client_certificates_disabled>, "true"},
    {"tls_key_file", TakeText<&http::TlsOptions::key_file>, "\"/etc/belfry/tls.key\""},
    {"tls_max_version", TakeTlsVersion<&http::TlsOptions::max_version>, "\"tls13\""},
    {"tls_min_version", TakeTlsVersion<&http::TlsOptions::min_version>, "\"tls12\""},
    {"tls_require_and_verify_client_cert", TakeBool<&ListenerDraft::client_certificates_required>,
     "true"},
};

constexpr Key kJournalKeys[] = {
    {"max_age", TakeDuration<&JournalConfig::max_age>, "\"168h\""},
    {"max_bytes", TakeCount<&JournalConfig::max_bytes>, "1073741824"},
};

constexpr Key kPluginKeys[] = {
    {"args", TakeStrings<&mounts::PluginEntry::args>, "[\"-verbose\"]"},
    {"command", TakeText<&mounts::PluginEntry::command>, "\"belfry-name\""},
    {"env", TakeStrings<&mounts::PluginEntry::env>, "[\"NAME=value\"]"},
    {"sha256", TakeText<&mounts::PluginEntry::sha256>, "the output of sha256sum"},
    {"version", TakeText<&mounts::PluginEntry::version>, "\"v1.2.3\""},
};

constexpr Key kRocksDbKeys[] = {
    {"path", TakeText<&StorageConfig::path>, "\"/var/lib/belfry\""},
};

constexpr Key kCommandSealKeys[] = {
    {"args", TakeStrings<&seal::SealOptions::args>, "[\"-key\", \"belfry\"]"},
    {"command", TakeCommand, "\"/usr/local/bin/wrap\""},
    {"timeout", TakeSealTimeout, "\"10s\""},
};

constexpr Key kFileSealKeys[] = {
    {"path", TakeText<&seal::SealOptions::path>, "\"/etc/belfry/seal.key\""},
};

constexpr Key kTelemetryKeys[] = {
    {"disable_hostname", TakeBool<&Draft::ignored_flag>, "true"},
    {"prometheus_retention_time", TakeRetention, "\"24h\""},
};

// What an operator may have a reason to set; the other limits follow from protocols, or from these.
constexpr Key kLimitsKeys[] = {
    {"max_connections", TakeCount<&Limits::max_connections>, "10000"},
    {"max_held_answer_bytes", TakeCount<&Limits::max_held_answer_bytes>, "268435456"},
    {"max_held_request_bytes", TakeCount<&Limits::max_held_request_bytes>, "268435456"},
    {"max_plugin_log_burst_bytes", TakeCount<&Limits::max_plugin_log_burst_bytes>, "1048576"},
    {"max_plugin_log_bytes_per_second", TakeCount<&Limits::max_plugin_log_bytes_per_second>,
     "262144"},
    {"max_plugin_memory_bytes", TakeCount<&Limits::max_plugin_memory_bytes>, "1073741824"},
    {"max_plugin_open_files", TakeCount<&Limits::max_plugin_open_files>, "1024"},
    {"max_plugin_starts_at_once", TakeCount<&Limits::max_plugin_starts_at_once>, "16"},
    {"max_queued_bytes", TakeCount<&Limits::max_queued_bytes>, "8388608"},
    {"max_queued_frames", TakeCount<&Limits::max_queued_frames>, "8192"},
    {"max_request_body_bytes", TakeCount<&Limits::max_request_body_bytes>, "33554432"},
    {"max_request_duration", TakeBound<&Limits::max_request_duration>, "\"90s\""},
    {"max_requests_queued_per_plugin", TakeCount<&Limits::max_requests_queued_per_plugin>, "1024"},
    {"max_rule_cache_bytes", TakeCount<&Limits::max_rule_cache_bytes>, "33554432"},
    {"ping_interval", TakeBound<&Limits::ping_interval>, "\"30s\""},
    {"plugin_start_timeout", TakeBound<&Limits::plugin_start_timeout>, "\"60s\""},
};

constexpr Block kBlocks[] = {
    {"journal", "", kJournalKeys, "journal { max_age = \"168h\" }"},
    {"limits", "", kLimitsKeys, "limits { max_connections = 10000 }"},
    {"listener", "tcp", kListenerKeys, kListenerExample},
    {"plugin", "secret", kPluginKeys, kPluginExample},
    {"seal", "command", kCommandSealKeys, kCommandSealExample},
    {"seal", "file", kFileSealKeys, kFileSealExample},
    {"storage", "inmem", {}, kInMemoryExample},
    {"storage", "rocksdb", kRocksDbKeys, kRocksDbExample},
    {"telemetry", "", kTelemetryKeys, "telemetry { disable_hostname = true }"},
};

}  // namespace

std::span<const ConfigurationKey> TopConfigurationKeys() {
  return kTopKeys;
}

std::span<const ConfigurationBlock> ConfigurationBlocks() {
  return kBlocks;
}

}  // namespace belfry
