#pragma once

#include "belfry/engine.h"

namespace belfry::kv {

// Keeps secrets under the paths of one mount. The mount option "version" says how: "1", the
// default, keeps the last value of each; "2" keeps versions (see kv_v1.h and kv_v2.h). Any other
// version makes the mount's initialization fail with InvalidArgument.
void DefineKv(Engine& engine);

}  // namespace belfry::kv
