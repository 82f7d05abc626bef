#pragma once

#include <memory>

#include "server/api/answered.h"
#include "server/api/api.h"
#include "server/builtin/answer.h"
#include "server/builtin/call.h"

namespace belfry::api {

// Answers a request for a path below a mount by asking the engine behind it. `dependencies` must
// outlive the answer. Thread-safe.
void AnswerFromMount(const Dependencies& dependencies, builtin::Call call, AnswerCallback respond);

// What an engine's reply becomes. What no client may get (a redirect that leaves this host,
// an impossible status or header) is 500, and a line for `logger` that says why, if `refusals` has
// one left. The headers that
// plugins put beside their data are left out, as Vault does where the mount is not tuned to let
// some pass. (vault-api-and-events 8.1, plugin-protocol 5.3, 5.6 and 6.6)
builtin::Answer AnswerForReply(const mounts::Request& request, const mounts::MountEntry& entry,
                               const Limits& limits, absl::StatusOr<mounts::Reply> reply,
                               const Logger& logger = {}, RefusalLog* refusals = nullptr);

}  // namespace belfry::api
