#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/limits.h"

namespace belfry::plugin_host {

// A belfry.v1.PublishRequest.
struct EventBatch {
  std::uint64_t number = 0;
  // Each a serialized logical.EventReceived, or what the plugin has sent as one: AcceptEvent looks
  // into it.
  std::vector<std::string_view> events;
};

// Reads an encoded PublishRequest; its events are views of `wire`. InvalidArgument when it cannot
// be read, ResourceExhausted when it is beyond `limits`. Pure, thread-safe.
absl::StatusOr<EventBatch> ParseEventBatch(std::string_view wire, const Limits& limits);

}  // namespace belfry::plugin_host
