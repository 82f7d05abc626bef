#pragma once

#include <atomic>
#include <memory>

#include "grpcpp/channel.h"
#include "proto/belfry/v1/storage.grpc.pb.h"
#include "proto/vault/backend.grpc.pb.h"
#include "sdk/src/mount_events.h"

namespace belfry::internal {

// What the storage calls of one mount have in common: the ways to its host, and what is known of
// it. Thread-safe.
struct HostStorage {
  // `mount_events` must outlive it.
  HostStorage(const std::shared_ptr<grpc::Channel>& channel, MountEvents* mount_events)
      : keys(pb::Storage::NewStub(channel)),
        batches(v1::Storage::NewStub(channel)),
        events(mount_events) {}

  const std::unique_ptr<pb::Storage::StubInterface> keys;
  const std::unique_ptr<v1::Storage::StubInterface> batches;
  MountEvents* const events;
  std::atomic<bool> one_by_one = false;  // The host has said that it knows no batches.
};

}  // namespace belfry::internal
