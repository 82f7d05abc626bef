#pragma once

#include "belfry/json.h"

namespace belfry::kv {

// Applies a JSON merge patch (RFC 7396): members of objects are merged, null removes a member,
// anything else replaces what was there.
void ApplyMergePatch(const Json& patch, Json& target);

}  // namespace belfry::kv
