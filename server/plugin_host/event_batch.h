#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/limits.h"
#include "google/protobuf/arena.h"
#include "proto/vault/event.pb.h"

namespace belfry::plugin_host {

// One event of a batch, as a plugin sent it.
struct SentEvent {
  logical::EventReceived* event = nullptr;  // The arena's.
  std::size_t bytes = 0;                    // Its size on the wire.
};

// A belfry.v1.PublishRequest.
struct EventBatch {
  std::uint64_t number = 0;
  std::vector<SentEvent> events;
};

// Reads an encoded PublishRequest; its events lie on `arena`. Not by protobuf alone, which does not
// say how large each event was: to count that again takes a tenth of the time that a batch takes.
// InvalidArgument when it is none, ResourceExhausted when it is beyond `limits`. Pure,
// thread-safe.
absl::StatusOr<EventBatch> ParseEventBatch(std::string_view wire, const Limits& limits,
                                           google::protobuf::Arena* arena);

}  // namespace belfry::plugin_host
