#pragma once

#include <string>

#include "absl/status/status.h"
#include "base/text.h"
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

// The same code and words.
inline grpc::Status ToGrpc(const absl::Status& status) {
  return {static_cast<grpc::StatusCode>(status.code()), std::string(ToStd(status.message()))};
}

}  // namespace belfry::plugin_host
