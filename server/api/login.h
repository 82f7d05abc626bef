#pragma once

#include "base/limits.h"
#include "server/access/token.h"
#include "server/access/token_store.h"
#include "server/builtin/answer.h"
#include "server/mounts/engine.h"

namespace belfry::api {

// Creates the token that the engine of an auth mount grants in `response`, and answers with it; 400
// or 500 when it cannot be created. `tokens` must not be null. Waits for storage. Thread-safe.
builtin::Answer AnswerLogin(access::TokenStore* tokens, const mounts::Request& request,
                            const mounts::MountEntry& entry, const Limits& limits,
                            mounts::Response response);

}  // namespace belfry::api
