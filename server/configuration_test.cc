#include "server/configuration.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <vector>

#include "base/text.h"
#include "server/configuration_keys.h"
#include "server/http/tls_options.h"
#include "server/listen_address.h"

namespace belfry {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// What every configuration needs, on one line.
constexpr std::string_view kNeeded =
    "storage \"inmem\" {} listener \"tcp\" { address = \"127.0.0.1:8200\" tls_disable = true }\n";

absl::StatusOr<HostConfig> Parsed(std::string_view text) {
  return ParseConfiguration(std::vector<ConfigurationFile>{{"f", std::string(text)}});
}

// With what it needs behind it, so that its own places stay.
absl::StatusOr<HostConfig> ParsedWithNeeds(std::string_view text) {
  return Parsed(Concat({text, "\n", kNeeded}));
}

HostConfig Config(std::string_view text) {
  absl::StatusOr<HostConfig> config = ParsedWithNeeds(text);
  EXPECT_EQ(config.status(), absl::OkStatus());
  return config.ok() ? *std::move(config) : HostConfig();
}

std::string ErrorOf(const absl::StatusOr<HostConfig>& config) {
  EXPECT_EQ(config.status().code(), absl::StatusCode::kInvalidArgument);
  return std::string(config.status().message());
}

TEST(Configuration, WhatIsNotSaidIsTheDefault) {
  const HostConfig config = Config("");
  EXPECT_FALSE(config.dev);
  EXPECT_EQ(config.listeners, std::vector{ListenerConfig()});
  EXPECT_EQ(config.storage, StorageConfig());
  EXPECT_EQ(config.limits, Limits());
  EXPECT_THAT(ChangesThatNeedRestart(config, HostConfig()), IsEmpty());
}

TEST(Configuration, EveryKeyIsTaken) {
  const absl::StatusOr<HostConfig> parsed = Parsed(R"(
    api_addr = "https://belfry.example:8200/"
    cluster_addr = "https://10.0.0.1:8201"
    cluster_name = "c"
    disable_clustering = true
    disable_mlock = 1
    default_lease_ttl = "1h"
    max_lease_ttl = 7200
    experiments = ["events.alpha1"]
    log_file = "/l"
    log_format = "json"
    log_level = "Warn"
    pid_file = "/p"
    plugin_directory = "/d"
    ui = false
    listener "tcp" { address = "[::1]:1234" tls_disable = "true" }
    storage "rocksdb" { path = "/s" }
    telemetry { disable_hostname = true prometheus_retention_time = "24h" }
    limits {
      max_connections = 1 max_held_answer_bytes = 2 max_held_request_bytes = 3
      max_plugin_log_burst_bytes = 4 max_plugin_log_bytes_per_second = 5
      max_plugin_memory_bytes = 6 max_plugin_open_files = 7 max_plugin_starts_at_once = 8
      max_queued_bytes = 9 max_queued_frames = 10 max_request_body_bytes = 11
      max_request_duration = "12s" max_requests_queued_per_plugin = 13 max_rule_cache_bytes = 14
      ping_interval = 15 plugin_start_timeout = "16m"
    })");
  ASSERT_EQ(parsed.status(), absl::OkStatus());
  const HostConfig& config = *parsed;
  EXPECT_EQ(config.api_address, "https://belfry.example:8200");
  EXPECT_EQ(config.cluster_name, "c");
  EXPECT_THAT(config.experiments, ElementsAre("events.alpha1"));
  EXPECT_EQ(config.log_file, "/l");
  EXPECT_EQ(config.log_format, LogFormat::kJson);
  EXPECT_EQ(config.log_level, "warn");
  EXPECT_EQ(config.pid_file, "/p");
  EXPECT_THAT(config.plugin_directories, ElementsAre("/d"));
  EXPECT_EQ(config.listeners[0].address, "::1");
  EXPECT_EQ(config.listeners[0].port, 1234);
  EXPECT_EQ(config.storage.kind, StorageConfig::Kind::kRocksDb);
  EXPECT_EQ(config.storage.path, "/s");
  Limits limits;
  limits.default_lease_ttl = absl::Hours(1);
  limits.max_lease_ttl = absl::Hours(2);
  limits.max_connections = 1;
  limits.max_held_answer_bytes = 2;
  limits.max_held_request_bytes = 3;
  limits.max_plugin_log_burst_bytes = 4;
  limits.max_plugin_log_bytes_per_second = 5;
  limits.max_plugin_memory_bytes = 6;
  limits.max_plugin_open_files = 7;
  limits.max_plugin_starts_at_once = 8;
  limits.max_queued_bytes = 9;
  limits.max_queued_frames = 10;
  limits.max_request_body_bytes = 11;
  limits.max_request_duration = absl::Seconds(12);
  limits.max_requests_queued_per_plugin = 13;
  limits.max_rule_cache_bytes = 14;
  limits.ping_interval = absl::Seconds(15);
  limits.plugin_start_timeout = absl::Minutes(16);
  EXPECT_EQ(config.limits, limits);
}

// As the test suite of hvac writes it.
TEST(Configuration, JsonSaysTheSame) {
  const auto config = Parsed(R"({
    "backend": {"inmem": {}},
    "listener": [{"tcp": {"address": "127.0.0.1:0", "tls_disable": true}}],
    "limits": {"max_connections": 7},
    "disable_mlock": true
  })");
  ASSERT_EQ(config.status(), absl::OkStatus());
  EXPECT_EQ(config->listeners[0].port, 0);
  EXPECT_EQ(config->limits.max_connections, 7u);
}

TEST(Configuration, TheLongestLeaseAloneBoundsTheDefault) {
  const HostConfig config = Config("max_lease_ttl = \"24h\"");
  EXPECT_EQ(config.limits.max_lease_ttl, absl::Hours(24));
  EXPECT_EQ(config.limits.default_lease_ttl, absl::Hours(24));
}

struct Case {
  std::string_view text;
  std::string error;  // The whole of it.
};

TEST(Configuration, WhatCannotBeUsedIsAnErrorAtItsPlaceThatSaysWhatToWrite) {
  const Case cases[] = {
      // No configuration at all.
      {"a = [", "f:2:1: expected a value in a list (strings stand in quotes), found \"storage\""},
      {"ui = no", "f:1:6: expected a value (strings stand in quotes), found \"no\""},
      // Names.
      {"\n  lisener \"tcp\" {}", "f:2:3: unknown key \"lisener\"; did you mean listener?"},
      {"apiaddr = \"\"", "f:1:1: unknown key \"apiaddr\"; did you mean api_addr?"},
      {"nothing_like_it = 1", "f:1:1: unknown key \"nothing_like_it\"; remove it"},
      {"telemetry { disable_hostnam = true }",
       "f:1:13: unknown key \"disable_hostnam\" in telemetry; did you mean disable_hostname?"},
      {"telemetry { statsd_address = \"x\" }",
       "f:1:13: unknown key \"statsd_address\" in telemetry; its keys are disable_hostname, "
       "prometheus_retention_time"},
      {"limits { max_events_per_batch = 1 }",
       "f:1:10: unknown key \"max_events_per_batch\" in limits; its keys are max_connections, "
       "max_held_answer_bytes, max_held_request_bytes, max_plugin_log_burst_bytes, "
       "max_plugin_log_bytes_per_second, max_plugin_memory_bytes, max_plugin_open_files, "
       "max_plugin_starts_at_once, max_queued_bytes, max_queued_frames, max_request_body_bytes, "
       "max_request_duration, max_requests_queued_per_plugin, max_rule_cache_bytes, ping_interval, "
       "plugin_start_timeout"},
      {"plugin \"kv\" {}",
       Concat({"f:1:1: plugin is not written like this: write ", kPluginExample})},
      {"plugin \"auth\" \"x\" {}",
       Concat({"f:1:8: plugin \"auth\" is not supported: write ", kPluginExample})},
      {"plugin \"secret\" \"x\" { env = 5 args = 1 }",
       "f:1:29: env must be a list of strings in quotes, for example [\"NAME=value\"]\n"
       "f:1:38: args must be a list of strings in quotes, for example [\"-verbose\"]"},
      {"plugin \"secret\" \"x\" { command = \"c\" sha256 = \"ab\" }",
       "f:1:17: a plugin's sha256 is 64 hexadecimal digits, as sha256sum prints them: \"ab\""},
      {"plugin \"secret\" \"../x\" { command = \"c\" sha256 = \"ab\" }",
       "f:1:17: a plugin's name is not empty, and has no \"..\", no \"/\", no control characters "
       "and "
       "no spaces at its ends: \"../x\""},
      // Blocks.
      {"limits = 3",
       "f:1:1: limits is not written like this: write limits { max_connections = "
       "10000 }"},
      {"telemetry \"x\" {}",
       "f:1:11: telemetry \"x\" is not supported: write telemetry { "
       "disable_hostname = true }"},
      {"listener {}",
       Concat({"f:1:1: listener is not written like this: write ", kListenerExample})},
      {"listener \"unix\" {}",
       Concat({"f:1:10: listener \"unix\" is not supported: write ", kListenerExample})},
      {"seal \"awskms\" {}",
       "f:1:6: seal \"awskms\" is not supported: write seal \"file\" { path = "
       "\"/etc/belfry/seal.key\" }, or seal \"command\" { command = \"/usr/local/bin/wrap\" }, or "
       "remove it to unseal the server with shares of a key"},
      {"seal \"command\" {}",
       "f:1:6: this seal has no command: write seal \"command\" { command = "
       "\"/usr/local/bin/wrap\" }"},
      {"seal \"command\" { command = \"wrap\" }",
       "f:1:28: command must be the absolute path of a program, for example "
       "\"/usr/local/bin/wrap\""},
      {"seal \"command\" { command = \"/w\" args = [1] }",
       "f:1:40: args must be a list of strings in quotes, for example [\"-key\", \"belfry\"]"},
      {"seal \"command\" { command = \"/w\" timeout = \"2m\" }",
       "f:1:43: timeout must be a duration of a minute at most, for example \"10s\""},
      {"seal \"file\" { path = \"/a\" timeout = 1 }",
       "f:1:27: unknown key \"timeout\" in seal \"file\"; its keys are path"},
      {"seal \"file\" { path = \"/a\" } seal \"command\" { command = \"/b\" }",
       "f:1:34: there can be one seal only, and there is one at f:1:6: remove one of them"},
      {"seal \"file\" {}",
       "f:1:6: this seal has no path: write seal \"file\" { path = \"/etc/belfry/seal.key\" }"},
      {"seal \"file\" { path = \"/a\" }\nseal \"file\" { path = \"/b\" }",
       "f:2:6: there can be one seal only, and there is one at f:1:6: remove one of them"},
      {"storage \"raft\" { path = \"/x\" }",
       "f:1:9: storage \"raft\" is not supported: write storage \"rocksdb\" { path = "
       "\"/var/lib/belfry\" }, or storage \"inmem\" {} to keep everything in memory and lose it at "
       "the end"},
      // Values.
      {"api_addr = 8200",
       "f:1:12: api_addr must be an http or https URL of a host and a port, for "
       "example \"http://10.0.0.1:8200\""},
      {"cluster_name = \"\"",
       "f:1:16: cluster_name must be a string in quotes that is not empty, "
       "for example \"belfry-1\""},
      {"cluster_name \"x\" {}",
       "f:1:1: cluster_name must be a string in quotes that is not empty, "
       "for example \"belfry-1\""},
      {"disable_mlock = 2", "f:1:17: disable_mlock must be true or false, for example true"},
      {"disable_mlock = [true]", "f:1:17: disable_mlock must be true or false, for example true"},
      {"experiments = [\"events.alpha1\", \"x\"]",
       "f:1:15: experiments must be a list of known experiments, for example [\"events.alpha1\"]"},
      {"log_level = \"loud\"",
       "f:1:13: log_level must be trace, debug, info, warn or error, for example \"info\""},
      {"log_format = \"xml\"",
       "f:1:14: log_format must be \"standard\" or \"json\", for example \"json\""},
      {"ui = true", "f:1:6: there is no console yet: write ui = false, or remove it"},
      {"max_lease_ttl = \"soon\"",
       "f:1:17: max_lease_ttl must be a duration above zero, in "
       "seconds or with a unit, for example \"768h\""},
      {"max_lease_ttl = 0",
       "f:1:17: max_lease_ttl must be a duration above zero, in seconds or "
       "with a unit, for example \"768h\""},
      {"default_lease_ttl = \"2h\"\nmax_lease_ttl = \"1h\"",
       "f:1:1: default_lease_ttl is longer than max_lease_ttl, which is 1h: change one of them"},
      {"default_lease_ttl = \"769h\"",
       "f:1:1: default_lease_ttl is longer than max_lease_ttl, "
       "which is 768h: change one of them"},
      {"limits { max_connections = 0 }",
       "f:1:28: max_connections must be a whole number from 1 to "
       "1099511627776, for example 10000"},
      {"limits { max_connections = 1.5 }",
       "f:1:28: max_connections must be a whole number from 1 to 1099511627776, for example 10000"},
      {"limits { max_queued_bytes = 99999999999999999999 }",
       "f:1:29: max_queued_bytes must be a whole number from 1 to 1099511627776, for example "
       "8388608"},
      {"limits { ping_interval = \"-1s\" }",
       "f:1:26: ping_interval must be a duration above zero, "
       "in seconds or with a unit, for example \"30s\""},
      {"limits { ping_interval = \"9000h\" }",
       "f:1:26: ping_interval must be a duration of a year at most, for example \"30s\""},
      {"telemetry { prometheus_retention_time = \"x\" }",
       "f:1:41: prometheus_retention_time must be a duration, in seconds or with a unit, for "
       "example \"24h\""},
      // Twice.
      {"ui = false\nui = false", "f:2:1: ui is already set at f:1:1: remove one of them"},
      {"limits { max_connections = 1 }\nlimits { max_connections = 1 }",
       "f:2:10: max_connections is already set at f:1:10: remove one of them"},
      {"storage \"inmem\" {}",
       "f:2:9: there can be one storage only, and there is one at f:1:9: "
       "remove one of them"},
      {"backend \"inmem\" {}",
       "f:2:9: there can be one storage only, and there is one at f:1:9: "
       "remove one of them"},
      {"listener \"tcp\" { tls_disable = true }",
       "f:2:29: the listener at f:1:10 has the same address: change one of them"},
      // Everything is said at once.
      {"a = 1\nui = 3\nlog_level = 1",
       "f:1:1: unknown key \"a\"; remove it\n"
       "f:2:6: ui must be false, for example false\n"
       "f:3:13: log_level must be trace, debug, info, warn or error, for example \"info\""},
  };
  for (const Case& c : cases) EXPECT_EQ(ErrorOf(ParsedWithNeeds(c.text)), c.error) << c.text;
}

TEST(Configuration, AListenerMayShowItsMetricsToEveryone) {
  const auto config = Parsed(R"(storage "inmem" {} listener "tcp" { tls_disable = true
    telemetry { unauthenticated_metrics_access = true } address = "127.0.0.1:0" })");
  ASSERT_EQ(config.status(), absl::OkStatus());
  EXPECT_TRUE(config->listeners[0].open_metrics);
  EXPECT_EQ(config->listeners[0].port, 0);
  for (const char* const wrong :
       {"telemetry { disable_hostname = true }", "telemetry {}", "telemetry = true"}) {
    EXPECT_THAT(ErrorOf(Parsed(Concat({"storage \"inmem\" {} listener \"tcp\" { ", wrong, " }"}))),
                HasSubstr("telemetry of a listener is telemetry { unauthenticated_metrics_access"))
        << wrong;
  }
  EXPECT_THAT(ErrorOf(Parsed(R"(storage "inmem" {} listener "tcp" {
    telemetry { unauthenticated_metrics_access = 5 } })")),
              HasSubstr("unauthenticated_metrics_access must be true or false"));
}

TEST(Configuration, PluginsAreDeclared) {
  const std::string sha256(64, 'a');
  const std::string declared =
      Concat({"plugin \"secret\" \"one\" { command = \"c\" sha256 = \"", sha256,
              "\" version = \"v1.2.3\" env = [\"A=b\"] args = [\"-c\", \"d\"] }\n"
              "plugin \"secret\" \"one\" { command = \"d\" sha256 = \"",
              sha256, "\" }\n"});
  const mounts::PluginEntry one{.name = "one",
                                .version = "v1.2.3",
                                .command = "c",
                                .args = {"-c", "d"},
                                .env = {"A=b"},
                                .sha256 = sha256};
  const mounts::PluginEntry other{.name = "one", .command = "d", .sha256 = sha256};
  EXPECT_THAT(ParsedWithNeeds(declared)->plugins, ElementsAre(one, other));
  EXPECT_EQ(ErrorOf(ParsedWithNeeds(Concat({declared, declared}))),
            "f:3:17: the plugin at f:1:17 has the same name and version: remove one of them\n"
            "f:4:17: the plugin at f:2:17 has the same name and version: remove one of them");
  EXPECT_EQ(ErrorOf(ParsedWithNeeds("plugin \"secret\" \"one\" { command = \"c\" }")),
            Concat({"f:1:17: a plugin needs command and sha256: write ", kPluginExample}));
  EXPECT_THAT(
      Parsed(Concat({R"({"storage": {"inmem": {}}, "listener": {"tcp": {"tls_disable": true}},
                                "plugin": {"secret": {"one": {"command": "d", "sha256": ")",
                     sha256, R"("}}}})"}))
          ->plugins,
      ElementsAre(other));
}

TEST(Configuration, EachListenerHasItsOwnKeys) {
  const auto config = Parsed(R"(storage "inmem" {}
listener "tcp" { address = "10.0.0.1:1" tls_cert_file = "a" tls_key_file = "b" tls_client_ca_file = "c" }
listener "tcp" { tls_disable = true address = "127.0.0.1:0" }
listener "tcp" { address = "127.0.0.1:0" tls_disable = true })");
  ASSERT_EQ(config.status(), absl::OkStatus());
  const ListenerConfig local{.address = "127.0.0.1", .port = 0};
  EXPECT_EQ(config->listeners,
            (std::vector<ListenerConfig>{{.address = "10.0.0.1",
                                          .port = 1,
                                          .tls = http::TlsOptions{.certificate_file = "a",
                                                                  .key_file = "b",
                                                                  .client_ca_file = "c"}},
                                         local,
                                         local}));
  EXPECT_EQ(ErrorOf(Parsed(R"(storage "inmem" {}
listener "tcp" { tls_disable = true tls_disable = true }
listener "tcp" { address = "127.0.0.1:0" })")),
            "f:2:37: tls_disable is already set at f:2:18: remove one of them");
}

TEST(Configuration, WhatIsWrongInJsonHasItsPlaceToo) {
  const Case cases[] = {
      {R"({"ui": false, "ui": false})", "f:1:15: ui is already set at f:1:2: remove one of them"},
      {R"({"storag": {"inmem": {}}})", "f:1:2: unknown key \"storag\"; did you mean storage?"},
      {R"({"ui": null})", "f:1:8: ui must be false, for example false"},
      {R"({"api_addr": {"a": {}}})",
       "f:1:20: api_addr must be an http or https URL of a host and a "
       "port, for example \"http://10.0.0.1:8200\""},
      {"{\n  \"ui\" false}", "f:2:8: expected ':'"},
  };
  for (const Case& c : cases) EXPECT_EQ(ErrorOf(Parsed(c.text)), c.error) << c.text;
}

TEST(Configuration, WhatIsMissingIsAnErrorThatSaysWhatToWrite) {
  const std::string error = ErrorOf(Parsed(""));
  EXPECT_THAT(error, HasSubstr("f: there is no storage: write storage \"rocksdb\" { path = "));
  EXPECT_THAT(error, HasSubstr("\nf: there is no listener: write listener \"tcp\" { address = "));
  EXPECT_EQ(ErrorOf(Parsed("storage \"rocksdb\" {} listener \"tcp\" { tls_disable = true }")),
            "f:1:9: this storage has no path: write storage \"rocksdb\" { path = "
            "\"/var/lib/belfry\" }");
}

TEST(ListenAddress, OnlyLoopbackIsLoopback) {
  for (const std::string_view address : {"127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1"})
    EXPECT_TRUE(IsLoopback(address)) << address;
  for (const std::string_view address : {"0.0.0.0", "::", "10.0.0.1", "1127.0.0.1", "::10"})
    EXPECT_FALSE(IsLoopback(address)) << address;
}

TEST(Configuration, AListenersTlsIsWhatItsKeysSay) {
  const auto config = Parsed(R"(storage "inmem" {}
    listener "tcp" {
      tls_cert_file = "a.crt"
      tls_key_file = "a.key"
      tls_client_ca_file = "ca.crt"
      tls_require_and_verify_client_cert = "true"
      tls_min_version = "tls13"
    })");
  ASSERT_EQ(config.status(), absl::OkStatus());
  EXPECT_EQ(config->listeners[0].tls,
            (http::TlsOptions{.certificate_file = "a.crt",
                              .key_file = "a.key",
                              .client_ca_file = "ca.crt",
                              .without_certificate = http::TlsOptions::WithoutCertificate::kRefused,
                              .min_version = http::TlsVersion::k13}));
  EXPECT_EQ(ParsedWithNeeds("")->listeners[0].tls, std::nullopt);
}

TEST(Configuration, ClientsAreNotAskedForCertificatesWhereThatIsDisabled) {
  const auto config = Parsed(R"(storage "inmem" {} listener "tcp" { tls_cert_file = "a"
    tls_key_file = "b" tls_client_ca_file = "c" tls_disable_client_certs = true })");
  ASSERT_EQ(config.status(), absl::OkStatus());
  EXPECT_EQ(config->listeners[0].tls->client_ca_file, "");
}

TEST(Configuration, TlsThatCannotBeMeantIsRefused) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"tls_cert_file = \"a\"", "a listener needs tls_cert_file and tls_key_file, or"},
      {"tls_key_file = \"a\"", "a listener needs tls_cert_file and tls_key_file, or"},
      {"tls_disable = true tls_cert_file = \"a\"", "there are tls_disable = true and files"},
      {"tls_cert_file = \"a\" tls_key_file = \"b\" tls_require_and_verify_client_cert = true",
       "tls_require_and_verify_client_cert needs tls_client_ca_file"},
      {"tls_cert_file = \"a\" tls_key_file = \"b\" tls_client_ca_file = \"c\" "
       "tls_require_and_verify_client_cert = true tls_disable_client_certs = true",
       "cannot both be true"},
      {"tls_cert_file = \"a\" tls_key_file = \"b\" tls_min_version = \"tls13\" "
       "tls_max_version = \"tls12\"",
       "tls_max_version is below tls_min_version"},
      {"tls_min_version = \"tls11\"", "tls_min_version must be \"tls12\" or \"tls13\""},
  };
  for (const auto& [keys, error] : cases) {
    EXPECT_THAT(ErrorOf(Parsed(Concat({"storage \"inmem\" {} listener \"tcp\" { ", keys, " }"}))),
                HasSubstr(error))
        << keys;
  }
}

TEST(Configuration, AListenerWithoutTlsMustSaySo) {
  const std::string_view error =
      "f:1:30: a listener needs tls_cert_file and tls_key_file, or tls_disable = true where "
      "something else keeps tokens from being read on their way";
  EXPECT_EQ(ErrorOf(Parsed("storage \"inmem\" {}  listener \"tcp\" {}")), error);
  EXPECT_EQ(ErrorOf(Parsed("storage \"inmem\" {}  listener \"tcp\" { tls_disable = false }")),
            error);
}

TEST(Configuration, ASealIsWhatItsKeysSay) {
  EXPECT_EQ(Config("").seal, seal::SealOptions());
  EXPECT_EQ(Config("seal \"file\" { path = \"/k\" }").seal,
            (seal::SealOptions{.kind = seal::SealKind::kFile, .path = "/k"}));
  EXPECT_EQ(Config(R"(seal "command" { command = "/w" args = ["a", "b"] timeout = "3s" })").seal,
            (seal::SealOptions{.kind = seal::SealKind::kCommand,
                               .command = "/w",
                               .args = {"a", "b"},
                               .timeout = absl::Seconds(3)}));
  EXPECT_THAT(ChangesThatNeedRestart(Config(""), Config("seal \"file\" { path = \"/k\" }")),
              ElementsAre("seal"));
}

TEST(Configuration, AnAddressThatServersHaveNotIsRefused) {
  for (const std::string_view url :
       {"", "10.0.0.1:8200", "ftp://a", "http://", "http://:8200", "http://a:0", "http://a:65536",
        "http://a:b", "http://a:", "http://a/b", "http://a?b", "http://u@a", "http://a b",
        "http://[::1", "https://http://a", "http://a\\n"}) {
    EXPECT_THAT(ErrorOf(ParsedWithNeeds(Concat({"api_addr = \"", url, "\""}))),
                HasSubstr("api_addr must be"))
        << url;
  }
  for (const std::string_view url :
       {"http://a", "https://a.b:1", "http://[::1]:8200", "http://10.0.0.1/"}) {
    EXPECT_EQ(ParsedWithNeeds(Concat({"api_addr = \"", url, "\""})).status(), absl::OkStatus())
        << url;
  }
}

TEST(Configuration, LaterFilesAddToEarlierOnes) {
  const ConfigurationFile files[] = {{"a.hcl", std::string(kNeeded)},
                                     {"b.json", R"({"ui": false, "limits": {"ping_interval": 5}})"},
                                     {"c.hcl", "limits { max_connections = 3 }"}};
  const auto config = ParseConfiguration(files);
  ASSERT_EQ(config.status(), absl::OkStatus());
  EXPECT_EQ(config->limits.max_connections, 3u);
  EXPECT_EQ(config->limits.ping_interval, absl::Seconds(5));
}

TEST(Configuration, WhatTwoFilesSayIsAnErrorWithBothPlaces) {
  const ConfigurationFile files[] = {{"a.hcl", Concat({kNeeded, "ui = false"})},
                                     {"b.hcl", "\n\n ui = false storage \"inmem\" {}"}};
  EXPECT_EQ(ErrorOf(ParseConfiguration(files)),
            "b.hcl:3:2: ui is already set at a.hcl:2:1: remove one of them\n"
            "b.hcl:3:21: there can be one storage only, and there is one at a.hcl:1:9: remove one "
            "of them");
}

TEST(Configuration, ChangesThatNeedARestartAreNamed) {
  const HostConfig before = Config("");
  const HostConfig after = Config(R"(log_level = "debug" log_format = "json" max_lease_ttl = "1h"
                                     cluster_name = "x" limits { max_connections = 5 })");
  EXPECT_THAT(
      ChangesThatNeedRestart(before, after),
      ElementsAre("cluster_name", "default_lease_ttl, max_lease_ttl", "limits", "log_format"));
  EXPECT_THAT(ChangesThatNeedRestart(before, Config("log_level = \"error\"")), IsEmpty());
}

class ConfigurationFilesTest : public ::testing::Test {
 protected:
  ~ConfigurationFilesTest() override { std::filesystem::remove_all(folder_); }

  void Write(std::string_view name, std::string_view text) {
    std::ofstream(folder_ / name) << text;
  }
  absl::StatusOr<HostConfig> Read(const std::vector<std::string>& names) {
    std::vector<std::string> paths;
    for (const std::string& name : names) paths.push_back(folder_ / name);
    return ReadConfiguration(paths);
  }

  const std::filesystem::path folder_ = [] {
    std::string made = ::testing::TempDir() + "belfry-config-XXXXXX";
    EXPECT_NE(mkdtemp(made.data()), nullptr);
    return made;
  }();
};

TEST_F(ConfigurationFilesTest, ADirectoryIsItsHclAndJsonInOrder) {
  Write("b.hcl", "ui = false");
  Write("a.json", R"({"ui": false})");
  Write("c.hcl.bak", "no configuration");
  Write(".d.hcl", "no configuration");
  const std::string error = ErrorOf(Read({"."}));
  EXPECT_THAT(error, HasSubstr("b.hcl:1:1: ui is already set at "));
  EXPECT_THAT(error, HasSubstr("a.json:1:2: remove one of them"));
  Write("b.hcl", kNeeded);
  EXPECT_EQ(Read({"."}).status(), absl::OkStatus());
}

TEST_F(ConfigurationFilesTest, SeveralPathsAreOneConfiguration) {
  Write("a", kNeeded);
  Write("b", "log_level = \"debug\"");
  const auto config = Read({"a", "b"});
  ASSERT_EQ(config.status(), absl::OkStatus());
  EXPECT_EQ(config->log_level, "debug");
}

TEST_F(ConfigurationFilesTest, WhatCannotBeReadIsAnErrorThatNamesIt) {
  EXPECT_EQ(ErrorOf(Read({"nosuch"})),
            Concat({(folder_ / "nosuch").native(), ": No such file or directory"}));
  std::filesystem::create_directory(folder_ / "empty");
  EXPECT_EQ(
      ErrorOf(Read({"empty"})),
      Concat({(folder_ / "empty").native(), ": no file in this directory ends in .hcl or .json"}));
  Write("large", std::string(1024 * 1024 + 1, '\n'));
  EXPECT_EQ(ErrorOf(Read({"large"})),
            Concat({(folder_ / "large").native(), ": larger than 1 MiB"}));
}

TEST(ListenAddress, IsAnAddressAndAPort) {
  struct Good {
    std::string_view text;
    std::string_view address;
    int port;
  };
  const Good cases[] = {{"127.0.0.1:8200", "127.0.0.1", 8200},
                        {"0.0.0.0:0", "0.0.0.0", 0},
                        {"localhost:65535", "127.0.0.1", 65535},
                        {"[::1]:1", "::1", 1},
                        {"[fe80::1%lo]:1", "fe80::1%lo", 1}};
  for (const Good& c : cases) {
    const auto listener = ParseListenAddress(c.text);
    ASSERT_EQ(listener.status(), absl::OkStatus()) << c.text;
    EXPECT_EQ(listener->address, c.address);
    EXPECT_EQ(listener->port, c.port);
  }
}

TEST(ListenAddress, WhatIsNoneIsAnErrorThatSaysWhatToWrite) {
  const Case cases[] = {
      {"", "it must be ADDRESS:PORT, for example 127.0.0.1:8200"},
      {"127.0.0.1", "it must be ADDRESS:PORT, for example 127.0.0.1:8200"},
      {"127.0.0.1:", "it must be ADDRESS:PORT, for example 127.0.0.1:8200"},
      {"127.0.0.1:-1", "it must be ADDRESS:PORT, for example 127.0.0.1:8200"},
      {"127.0.0.1:65536", "the port must be a number from 0 to 65535"},
      {":9",
       "it names no address; write 127.0.0.1:9 for this machine alone, or 0.0.0.0:9 for all "
       "that can reach it"},
      {"host:1", "what is before the port must be an IP address or localhost"},
      {"127.0.0.1 :0", "what is before the port must be an IP address or localhost"},
      {"[::1:0", "what is before the port must be an IP address or localhost"},
      {std::string_view("127.0.0.1\0x:1", 13),
       "what is before the port must be an IP address or localhost"},
  };
  for (const Case& c : cases)
    EXPECT_EQ(ParseListenAddress(c.text).status(), absl::InvalidArgumentError(std::string(c.error)))
        << c.text;
}

}  // namespace
}  // namespace belfry
