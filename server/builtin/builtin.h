#pragma once

#include <string_view>
#include <vector>

#include "server/builtin/answer.h"
#include "server/builtin/call.h"
#include "server/builtin/dependencies.h"
#include "server/builtin/endpoint.h"

namespace belfry::builtin {

// What the host answers itself: sys/, auth/token/ and cubbyhole/. Thread-safe.

// Whether no mount of a plugin answers `path` (without "/v1/").
bool Owns(std::string_view path);

// Whether the data of a request to `path` is taken apart here, where it takes up many times its
// size, instead of being kept as it is.
bool TakesApart(std::string_view path);

// All of them.
std::vector<const Endpoint*> AllEndpoints();

// The one that answers, or null.
const Endpoint* EndpointOf(std::string_view path, mounts::Operation operation);

// Whether an endpoint of `path` needs no token.
bool IsOpen(std::string_view path);

// For a path that is owned; `dependencies` must outlive the answer. 403 where the caller may not,
// 400 where a field is not as it is declared, 405 and 404 where there is no such endpoint, 503
// where it would have to wait too long for its place.
void Handle(const Dependencies& dependencies, Call call, Respond respond);

}  // namespace belfry::builtin
