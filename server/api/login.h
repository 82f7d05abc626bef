#pragma once

#include "server/access/token.h"
#include "server/access/token_store.h"
#include "server/builtin/answer.h"
#include "server/mounts/engine.h"

namespace belfry::api {

// The token that the engine of an auth mount grants for `request`, made, and the answer that hands
// it out; 400 or 500 when there is none. Waits for storage. Thread-safe.
builtin::Answer AnswerLogin(access::TokenStore* tokens, const mounts::Request& request,
                            const mounts::MountEntry& entry, mounts::Response response);

}  // namespace belfry::api
