#pragma once

#include <string_view>

#include "absl/status/status.h"

namespace belfry::plugin_host {

// Statuses that say more to an operator than to a client: why a plugin does not start, and what it
// has printed, is nothing for everybody who may send a request. Pure, thread-safe.

// The message is `sentence`; an operator reads `reason` as well: "<sentence>: <reason>".
absl::Status WithReason(absl::StatusCode code, std::string_view sentence, std::string_view reason);
// The whole, for who mounts, tunes or reloads, and for the log. Others stay as they are.
absl::Status ForOperators(const absl::Status& status);
// The sentence, and where the reason is. Others stay as they are.
absl::Status ForClients(const absl::Status& status);

}  // namespace belfry::plugin_host
