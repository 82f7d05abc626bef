#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace belfry {

// What `belfry server` was asked to do.
struct HostConfig {
  // Dev mode, the only one so far: in memory, one root token, secret/ mounted.
  std::string root_token;
  std::string listen_address = "127.0.0.1";
  std::uint16_t listen_port = 8200;  // 0: any free one.
  std::vector<std::string> plugin_directories;
  // The program that cleans up after a killed host; empty: belfry-plugin-guard beside this program.
  std::string guard_program;
  // How often plugins are asked to do what is due.
  absl::Duration periodic_interval = absl::Minutes(1);
  std::string log_level = "info";  // trace, debug, info, warn, error
  // This program's own version, X.Y.Z; clients are told the Vault whose behaviour they may count
  // on, "+belfry." and this. Empty: that Vault alone.
  std::string version;
};

// The whole server, composed: config → objects → run → orderly shutdown.
class Host {
 public:
  // Starts everything; from its return on, requests are answered. Otherwise one sentence that says
  // what to do.
  static absl::StatusOr<std::unique_ptr<Host>> Start(HostConfig config);
  // Stops everything in the reverse order; no plugin and no socket file stays behind.
  virtual ~Host() = default;
  virtual std::uint16_t Port() const = 0;
  // Notes in the log what the process does at a signal, by its name. From any thread.
  virtual void LogSignal(std::string_view what, std::string_view signal) = 0;
};

}  // namespace belfry
