#pragma once

#include <string_view>

#include "absl/status/statusor.h"
#include "server/host_config.h"

namespace belfry {

// "127.0.0.1:8200", "[::1]:0" or "localhost:8200" as the address and port of a listener.
// InvalidArgument: what is wrong with the text, without the text, and what to write instead. Pure.
absl::StatusOr<ListenerConfig> ParseListenAddress(std::string_view text);

// Whether only this machine reaches what listens on the IP address. Pure.
bool IsLoopback(std::string_view address);

}  // namespace belfry
