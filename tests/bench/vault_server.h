#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "tests/bench/child.h"

namespace belfry::bench {

// A Vault server in a process of its own, on its raft storage, unsealed, with kv version 2 at kv2/
// and "root" for a root token. Failures throw, as in sockets.h.
class Vault {
 public:
  // The path of Vault's program; it is not built or installed here.
  explicit Vault(const std::string& program);
  ~Vault();
  Vault(const Vault&) = delete;
  Vault& operator=(const Vault&) = delete;

  std::uint16_t port() const { return port_; }

 private:
  void Initialize();

  const std::string folder_;
  const std::uint16_t port_;
  std::unique_ptr<Child> server_;
};

// The program that BELFRY_BENCH_VAULT names; null without it.
std::unique_ptr<Vault> StartVaultIfThereIsOne();

}  // namespace belfry::bench
