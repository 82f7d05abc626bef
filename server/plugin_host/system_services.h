#pragma once

#include <memory>

#include "grpcpp/impl/codegen/service_type.h"
#include "server/plugin_host/mount_services.h"

namespace belfry::plugin_host {

// What a plugin may know of its host. What Belfry does not have is answered like a Vault without
// Enterprise. (plugin-protocol 5.9) `services` must outlive it.
std::unique_ptr<grpc::Service> NewSystemViewService(const MountServices* services);

// Observations are taken and dropped: plugins log an error for each one that a host refuses.
// (plugin-protocol 5.10)
std::unique_ptr<grpc::Service> NewObservationsService();

}  // namespace belfry::plugin_host
