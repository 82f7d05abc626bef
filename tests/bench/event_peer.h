#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "grpcpp/channel.h"
#include "tests/bench/child.h"

namespace belfry::bench {

// Who takes the events in the process beside ours.
enum class PeerKind {
  kBare,  // gRPC and protobuf alone: parses each message and answers.
  kHost,  // Belfry's services for one mount, in front of a bus without subscribers.
};

// A server of events in a process of its own, on a unix socket with mutual TLS as between a host
// and its plugin, and clients for it that do nothing but send messages made beforehand: what
// plugins and hosts are measured against. Failures throw, as in sockets.h. Used by one thread.
class EventPeer {
 public:
  // `program` is belfry-bench-peer.
  EventPeer(const std::string& program, PeerKind kind);
  ~EventPeer();

  // By belfry.v1.EventProducer/Publish, in batches as the SDK sends them; returns when all are
  // answered.
  void Stream(std::int64_t events);
  // By pb.Events/SendEvent, an event a call, from so many threads.
  void Call(std::int64_t events, int threads);

 private:
  const std::string folder_;
  std::unique_ptr<Child> server_;
  std::shared_ptr<grpc::Channel> channel_;
};

}  // namespace belfry::bench
