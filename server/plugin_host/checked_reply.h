#pragma once

#include "grpcpp/impl/codegen/serialization_traits.h"
#include "grpcpp/support/byte_buffer.h"
#include "grpcpp/support/status.h"

namespace belfry::plugin_host {

// A reply and whether it could be parsed. gRPC's callback API ends a call whose reply cannot with
// OK and an empty message, which would be a success; its blocking API does not.
template <typename Message>
struct CheckedReply {
  Message message;
  bool parsed = false;
};

}  // namespace belfry::plugin_host

template <typename Message>
class grpc::SerializationTraits<belfry::plugin_host::CheckedReply<Message>> {
 public:
  static Status Deserialize(ByteBuffer* bytes, belfry::plugin_host::CheckedReply<Message>* reply) {
    Status status = SerializationTraits<Message>::Deserialize(bytes, &reply->message);
    reply->parsed = status.ok();
    return status;
  }
};
