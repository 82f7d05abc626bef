#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "proto/vault/backend.pb.h"

namespace belfry::internal {

// Appends one event to `wire`: a member of `events` of a belfry.v1.PublishRequest, in protobuf's
// encoding. By hand: 0.4 µs for a write of kv, where a message on an arena takes 1.7 and one
// on the heap 2.7, of the 3 that gRPC itself has for an event. Pure,
// thread-safe. What is not UTF-8 becomes U+FFFD; the host fills in whose event it is.
void AppendEvent(std::string_view type, std::string_view id,
                 const std::map<std::string, std::string>& metadata, std::string* wire);

// Appends the number of the batch, which completes the PublishRequest.
void AppendBatchNumber(std::uint64_t number, std::string* wire);

// The same event for Vault's call.
pb::SendEventRequest ToSendEventRequest(std::string_view type, std::string_view id,
                                        const std::map<std::string, std::string>& metadata);

}  // namespace belfry::internal
