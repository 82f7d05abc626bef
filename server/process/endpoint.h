#pragma once

#include <span>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/logging.h"
#include "base/metrics.h"
#include "server/builtin/answer.h"
#include "server/builtin/fields.h"
#include "server/process/auto_unsealer.h"
#include "server/process/lifecycle.h"
#include "server/process/storage_health.h"
#include "server/storage/physical_storage.h"

namespace belfry::process {

// What is known without a core.
struct Facts {
  const Clock* clock = nullptr;
  std::string version;       // As in sys/health.
  std::string storage_type;  // "inmem", "rocksdb"
  const StorageHealth* storage = nullptr;
  const storage::PhysicalStorage* stored = nullptr;  // What lies encrypted, for snapshots.
  Metrics* metrics = nullptr;
};

// What an endpoint answers with.
struct Context {
  const Facts& facts;
  Lifecycle& lifecycle;
  AutoUnsealer& unsealer;  // For what waits.
  const Logger& logger;
  const std::string& remote_address;
};

enum class Method { kRead, kWrite, kDelete };

// One thing that is answered whether the server is sealed or not, without a look at tokens.
struct Endpoint {
  std::string_view path;  // Without "/v1/".
  Method method = Method::kRead;
  // Whether it asks Lifecycle for more than its status; it is answered on an executor then.
  bool waits = false;
  std::span<const builtin::DeclaredField> fields;
  builtin::Answer (*answer)(const Context& context, const builtin::Fields& fields) = nullptr;
};

// Of one family each.
std::span<const Endpoint> StatusEndpoints();
std::span<const Endpoint> UnsealEndpoints();
std::span<const Endpoint> RekeyEndpoints();
std::span<const Endpoint> RootGenerationEndpoints();

// The fields secret_shares and secret_threshold.
seal::SealConfiguration ConfigurationOf(const builtin::Fields& fields);
// The fields recovery_shares and recovery_threshold.
seal::SealConfiguration RecoveryConfigurationOf(const builtin::Fields& fields);

// A share as clients send it, in hex or in base64. InvalidArgument, in Vault's words, when it is
// neither, or missing.
absl::StatusOr<seal::SecretBytes> ShareOf(std::string_view text);

// Where shares are handed out, in hex and in base64.
struct ShareNames {
  std::string_view hex = "keys";
  std::string_view base64 = "keys_base64";
};
// An object with these two members.
std::string SharesText(const std::vector<seal::SecretBytes>& shares, ShareNames names = {});

}  // namespace belfry::process
