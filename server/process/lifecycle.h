#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/process/server_names.h"
#include "server/seal/rekey.h"
#include "server/seal/root_generation.h"
#include "server/seal/seal_manager.h"
#include "server/seal/secret_bytes.h"

namespace belfry::process {

// Of every generated root token: short, since people type them, and as long as the one-time pad
// under which it is handed out, as in Vault.
inline constexpr std::size_t kRootTokenLength = 28;

// The states of a server: not initialized, sealed, unsealed. Its core lives while it is unsealed.
class Lifecycle {
 public:
  struct Status {
    seal::SealManager::Status seal;
    bool serving = false;  // Unsealed, and the core answers.
    ServerNames names;     // Of what is stored; empty unless it is serving.
  };
  struct Initialized {
    // Of the unseal key, or of the recovery key where the server unseals by itself.
    std::vector<seal::SecretBytes> shares;
    std::string root_token;
  };

  virtual ~Lifecycle() = default;

  // From any thread; waits for nothing.
  virtual Status status() const = 0;

  // What follows waits for storage, and is called by one thread at a time.

  // As seal::SealManager::Initialize.
  virtual absl::StatusOr<Initialized> Initialize(const seal::SealConfiguration& configuration) = 0;
  // As seal::SealManager::Unseal; with the last share that is needed it starts the core, and waits
  // for the plugins. What the core's start said, and then the server is sealed again.
  virtual absl::StatusOr<Status> Unseal(seal::SecretBytes share) = 0;
  // As seal::SealManager::UnsealByItself, and then as Unseal.
  virtual absl::StatusOr<Status> UnsealByItself() = 0;
  virtual void ResetUnseal() = 0;
  // Stops the core, ends its subscribers, and wipes the keys. Nothing when it is sealed.
  virtual void Seal() = 0;
  // A new root token; its secret. Unavailable "Vault is sealed" when it is.
  virtual absl::StatusOr<std::string> NewRootToken(const seal::RootGeneration::Permit& permit) = 0;

  // Both live as long as this.
  virtual seal::Rekey& rekey() = 0;
  virtual seal::RootGeneration& root_generation() = 0;
};

}  // namespace belfry::process
