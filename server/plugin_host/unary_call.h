#pragma once

#include "grpcpp/server_context.h"
#include "grpcpp/support/server_callback.h"

namespace belfry::plugin_host {

// Ends a call that is answered where it arrives.
inline grpc::ServerUnaryReactor* Finish(grpc::CallbackServerContext* context,
                                        const grpc::Status& status = grpc::Status::OK) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  reactor->Finish(status);
  return reactor;
}

}  // namespace belfry::plugin_host
