#pragma once

#include <memory>

#include "grpcpp/impl/codegen/service_type.h"
#include "server/plugin_host/event_intake.h"
#include "server/plugin_host/mount_services.h"

namespace belfry::plugin_host {

// The ways in for a plugin's events, which are accepted or refused on gRPC's own thread. The
// pointers must outlive the services.

// A stream of batches. (belfry.v1.EventProducer)
std::unique_ptr<grpc::Service> NewProducerService(const EventIntake* acceptor,
                                                  const MountServices* services);
// An event a call. (plugin-protocol 5.10)
std::unique_ptr<grpc::Service> NewEventsService(const EventIntake* acceptor);

}  // namespace belfry::plugin_host
