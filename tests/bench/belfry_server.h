#pragma once

#include <sys/types.h>
#include <unistd.h>

#include <cstdint>
#include <string>

#include "tests/bench/child.h"
#include "tests/bench/drain.h"

namespace belfry::bench {

// A Belfry dev server in a process of its own, with the emitter plugin mounted at bench/. Failures
// throw, as in sockets.h. Used by one thread.
class Belfry {
 public:
  // `bin` is the folder with belfry, plugins and test-plugins.
  explicit Belfry(const std::string& bin);
  ~Belfry() { close(control_); }

  std::uint16_t port() const { return port_; }
  pid_t pid() const { return server_.pid(); }
  // The answer's body. The program ends unless the status is 2xx.
  std::string Ask(const std::string& method, const std::string& path, const std::string& body);
  // `at_once` events to a call of the SDK's SendAll, 1: by Send; on so many paths in turn.
  void Emit(std::int64_t count, std::int64_t senders, std::int64_t at_once = 1,
            std::int64_t paths = 1);
  // A token that has this policy, and no other has it.
  std::string CreateToken(const std::string& name, const std::string& policy);
  // Subscribes and hands the connection to the reader.
  void Subscribe(Drain& drain, const std::string& token = "root");

 private:
  Child server_;
  std::uint16_t port_;
  int control_;
};

}  // namespace belfry::bench
