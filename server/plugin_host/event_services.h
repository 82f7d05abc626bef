#pragma once

#include <memory>

#include "grpcpp/impl/codegen/service_type.h"
#include "server/plugin_host/event_intake.h"
#include "server/plugin_host/mount_services.h"

namespace belfry::plugin_host {

// The ways in for a plugin's events, which are checked on gRPC's own thread and answered once they
// are committed. The pointers must outlive the services.

// A stream of batches. (belfry.v1.EventProducer)
std::unique_ptr<grpc::Service> NewProducerService(const EventIntake* intake,
                                                  const MountServices* services);
// An event a call. (plugin-protocol 5.10)
std::unique_ptr<grpc::Service> NewEventsService(const EventIntake* intake);

}  // namespace belfry::plugin_host
