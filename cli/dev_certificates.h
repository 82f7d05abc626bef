#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "server/host_config.h"

namespace belfry::cli {

// What `server -dev-tls` speaks TLS with: an authority made for this run, whose key is kept
// nowhere, and a certificate of it, in files with Vault's names: vault-ca.pem, vault-cert.pem and
// vault-key.pem. Not thread-safe.
class DevCertificates {
 public:
  // For localhost, the loopback addresses and `names` (host names or IP addresses), valid for a
  // month. In `folder`, which must exist, or, when that is empty, in a temporary one.
  // InvalidArgument: a name that cannot be one, or files that are there or cannot be written.
  static absl::StatusOr<std::unique_ptr<DevCertificates>> Make(
      const std::string& folder, const std::vector<std::string>& names);
  // Removes the files, and the folder if it was made for them.
  ~DevCertificates();
  DevCertificates(const DevCertificates&) = delete;
  DevCertificates& operator=(const DevCertificates&) = delete;

  std::string authority_file() const;
  http::TlsOptions tls() const;

 private:
  DevCertificates(std::string folder, bool temporary);

  absl::Status Write(std::string_view name, std::string_view content);

  const std::string folder_;
  const bool temporary_;
  std::vector<std::string> written_;
};

}  // namespace belfry::cli
