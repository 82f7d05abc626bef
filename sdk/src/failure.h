#pragma once

#include "absl/status/status.h"
#include "belfry/log.h"
#include "belfry/response.h"
#include "belfry/serve.h"

namespace belfry::internal {

struct IncomingRequest;

// What the author's code has answered to a request, as it may leave the plugin. Thread-safe.

// The failure, for the client. What is a 500 is logged, with the path and the request's id; of an
// exception the client learns no more than where to look. An HttpError that is no error's status is
// such a failure itself.
absl::Status Reported(const absl::Status& failure, const IncomingRequest& request, const Log& log);

// OK, or InternalError with one sentence on what makes `response` no answer that an engine of this
// kind may give: an HTTP status that is none, a login of a secrets engine.
absl::Status CheckAnswer(const Response& response, EngineKind kind);

}  // namespace belfry::internal
