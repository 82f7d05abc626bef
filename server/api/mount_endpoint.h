#pragma once

#include <memory>

#include "server/api/api.h"
#include "server/api/call.h"

namespace belfry::api {

// Answers a request for a path below a mount by asking the engine behind it. `dependencies` must
// outlive the answer. Thread-safe.
void AnswerFromMount(const Dependencies& dependencies, Call call, Respond respond);

// What an engine's reply becomes as HTTP. (vault-api-and-events 8.1, plugin-protocol 5.3 and 5.6)
HttpResponse AnswerForReply(const mounts::Request& request, const mounts::MountEntry& entry,
                            absl::StatusOr<mounts::Reply> reply);

}  // namespace belfry::api
