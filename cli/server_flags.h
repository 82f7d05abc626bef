#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "cli/dev_certificates.h"
#include "cli/flags.h"
#include "cli/terminal.h"
#include "server/host_config.h"

namespace belfry::cli {

// What `belfry server` is asked for by flags and by the environment.
class ServerFlags {
 public:
  // Adds its flags and the environment's variables; both pointers must outlive it.
  ServerFlags(Flags* flags, const Terminal* terminal);

  // What was asked for, after the flags have been parsed; reads the configuration files at each
  // call. InvalidArgument with all that is wrong.
  absl::StatusOr<HostConfig> Config() const;
  // The experiments that flags, the environment and `config` ask for; InvalidArgument for one that
  // there is not.
  absl::StatusOr<std::vector<std::string>> Experiments(const HostConfig& config) const;
  // For where the configuration listens; null without -dev-tls. Errors as DevCertificates::Make's.
  absl::StatusOr<std::unique_ptr<DevCertificates>> MakeCertificates(const HostConfig& config) const;

 private:
  // -dev-tls alone is enough, as in Vault.
  bool dev() const { return dev_ || tls_; }
  absl::Status CheckMode() const;
  absl::StatusOr<HostConfig> DevModeConfig() const;

  const Flags* const flags_;
  const Terminal* const terminal_;
  bool dev_ = false;
  std::vector<std::string> files_;
  bool no_store_token_ = false;
  std::string root_token_;
  std::string listen_address_;
  bool tls_ = false;
  std::string tls_folder_;
  std::vector<std::string> tls_names_;
  std::string plugin_directory_;
  std::string periodic_interval_ = "1m";
  std::vector<std::string> experiments_;
  std::string log_level_;
};

}  // namespace belfry::cli
