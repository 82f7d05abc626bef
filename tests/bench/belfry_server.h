#pragma once

#include <sys/types.h>
#include <unistd.h>

#include <cstdint>
#include <memory>
#include <string>

#include "tests/bench/child.h"
#include "tests/bench/drain.h"
#include "tests/bench/tls_stream.h"

namespace belfry::bench {

// How a server is to be, other than in dev mode.
struct Configuration {
  enum class Storage { kInMemory, kRocksDb };
  enum class Transport { kPlain, kTls };
  Storage storage = Storage::kInMemory;
  Transport transport = Transport::kPlain;
  std::int64_t journal_bytes = 0;  // How much of the events is kept; 0: as by default.
};

// A Belfry server in a process of its own, with the emitter plugin mounted at bench/, and "root"
// for a root token. Failures throw, as in sockets.h. Used by one thread.
class Belfry {
 public:
  // In dev mode. `bin` is the folder with belfry, plugins and test-plugins.
  explicit Belfry(const std::string& bin);
  // Configured, initialized and unsealed.
  Belfry(const std::string& bin, const Configuration& configuration);
  ~Belfry();
  Belfry(const Belfry&) = delete;
  Belfry& operator=(const Belfry&) = delete;

  // Kills a configured one, starts it again and unseals it.
  void RestartAfterKill();

  std::uint16_t port() const { return port_; }
  pid_t pid() const { return server_->pid(); }
  // The answer's body. The program ends unless the status is 2xx.
  std::string Ask(const std::string& method, const std::string& path, const std::string& body);
  std::string AskAs(const std::string& token, const std::string& method, const std::string& path,
                    const std::string& body);
  // `at_once` events to a call of the SDK's SendAll, 1: by Send; on so many paths in turn.
  void Emit(std::int64_t count, std::int64_t senders, std::int64_t at_once = 1,
            std::int64_t paths = 1);
  // A token that has this policy, and no other has it.
  std::string CreateToken(const std::string& name, const std::string& policy);
  // Subscribes and hands the connection to the reader.
  void Subscribe(Drain& drain, const std::string& token = "root");
  // The same as root, over plain text, with this query.
  void SubscribeWith(Drain& drain, const std::string& query);
  // The socket of such a subscription, from which nothing is read but its head.
  int Upgrade(const std::string& query);

 private:
  void StartConfigured();
  void Unseal();
  void Connect();

  std::string bin_;
  std::string folder_;  // Of a configured one: its files.
  Configuration configuration_;
  std::string unseal_key_;
  std::unique_ptr<Child> server_;
  std::uint16_t port_ = 0;
  // The connection of Ask: one of the two.
  int control_ = -1;
  std::unique_ptr<TlsConnection> tls_control_;
};

}  // namespace belfry::bench
