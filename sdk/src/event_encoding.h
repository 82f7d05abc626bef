#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "belfry/events.h"
#include "proto/belfry/v1/event_producer.pb.h"
#include "proto/vault/event.pb.h"

namespace belfry::internal {

// Appends one event to `wire`: a member of `events` of a belfry.v1.PublishRequest, in protobuf's
// encoding. By hand: 0.4 µs for a write of kv, where a message on an arena takes 1.7 and one on the
// heap 2.7, of the 3 that gRPC itself has for an event. Pure, thread-safe. What is not UTF-8
// becomes U+FFFD; the host fills in whose event it is.
void AppendEvent(std::string_view type, std::string_view id, const EventFields& fields,
                 std::string* wire);

// Appends the number of the batch, which completes the PublishRequest.
void AppendBatchNumber(std::uint64_t number, std::string* wire);

// The same as a message.
void ToProto(std::string_view type, std::string_view id, const EventFields& fields,
             logical::EventReceived* event);

// Why the host refused an event.
absl::Status ToStatus(const v1::RejectedEvent& rejected);

}  // namespace belfry::internal
