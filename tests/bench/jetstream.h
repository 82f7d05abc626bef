#pragma once

#include <nats/nats.h>

#include <cstdint>
#include <memory>
#include <string>

#include "tests/bench/child.h"

namespace belfry::bench {

// A nats-server with JetStream that syncs each message to its disk before it acknowledges it, with
// one stream of one subject. Failures throw, as in sockets.h.
class JetStream {
 public:
  explicit JetStream(const std::string& program);
  ~JetStream();
  JetStream(const JetStream&) = delete;
  JetStream& operator=(const JetStream&) = delete;

  // So many messages, each of which a publisher has acknowledged before it sends the next; the
  // publishers have a connection each.
  void Publish(std::int64_t count, std::int64_t publishers, const std::string& payload);

 private:
  const std::string folder_;
  std::unique_ptr<Child> server_;
  std::string url_;
};

// The one that BELFRY_BENCH_NATS names; null without.
std::unique_ptr<JetStream> StartJetStreamIfThereIsOne();

}  // namespace belfry::bench
