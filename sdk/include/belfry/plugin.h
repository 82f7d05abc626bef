#pragma once

// Everything a plugin needs.
#include "belfry/callback.h"       // IWYU pragma: export
#include "belfry/engine.h"         // IWYU pragma: export
#include "belfry/events.h"         // IWYU pragma: export
#include "belfry/json.h"           // IWYU pragma: export
#include "belfry/lease.h"          // IWYU pragma: export
#include "belfry/log.h"            // IWYU pragma: export
#include "belfry/request.h"        // IWYU pragma: export
#include "belfry/response.h"       // IWYU pragma: export
#include "belfry/serve.h"          // IWYU pragma: export
#include "belfry/status_macros.h"  // IWYU pragma: export
#include "belfry/storage.h"        // IWYU pragma: export
