#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "belfry/json.h"
#include "sdk/src/engine_instance.h"
#include "sdk/src/route.h"

namespace belfry::internal {

// An OpenAPI 3.0 document of these routes, out of what was declared; paths are without the mount.
// Routes whose expression no template can say are left out; of two with one template the first
// counts. Extensions bear Vault's names, so that its tools understand them. Pure, thread-safe.
Json OpenApiDocument(const std::vector<const RouteImpl*>& routes, std::string_view description,
                     const SpecialPaths& special_paths);

}  // namespace belfry::internal
