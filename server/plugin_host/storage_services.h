#pragma once

#include <memory>

#include "grpcpp/impl/codegen/service_type.h"
#include "server/plugin_host/event_intake.h"
#include "server/plugin_host/guarded_storage.h"
#include "server/plugin_host/mount_services.h"

namespace belfry::plugin_host {

// The ways to a mount's storage, for its plugin, served on gRPC's own thread. The pointers must
// outlive the services.

// A key a call. (plugin-protocol 5.8)
std::unique_ptr<grpc::Service> NewStorageService(const GuardedStorage* guarded,
                                                 const MountServices* services);
// Several changes at once, and the events that tell of them. (belfry.v1.Storage)
std::unique_ptr<grpc::Service> NewBatchService(const GuardedStorage* guarded,
                                               const EventIntake* intake,
                                               const MountServices* services);

}  // namespace belfry::plugin_host
