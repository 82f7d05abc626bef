#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/limits.h"
#include "server/api/http_message.h"
#include "server/builtin/answer.h"
#include "server/mounts/engine.h"

namespace belfry::api {

// The one name of what a request is about. It is made here, before anything looks at the token;
// policies are asked about it, handlers and plugins act on it, and events carry it. Pure functions,
// thread-safe.

// What to answer instead when the target is not written as the one name of its path, whatever the
// method. Where the target itself has "//", "/./" or "/../": 307 with the clean path and the same
// query in Location, which is always a path of this server. 400 where the path only decodes into
// such a one, cannot be printed, is not UTF-8, or has more bytes or segments than `limits` allow.
std::optional<builtin::Answer> RefuseTarget(const HttpRequest& request, const Limits& limits);

// `path` (without "/v1/") as it is authorised and acted on. A '/' at its end stands there when the
// operation lists, and only then; the names at its end are as builtin::WithCanonicalNames makes
// them. Idempotent. nullopt when no clean path is left of it, as of a policy's name " /a"; the
// answer then is NamelessAnswer().
std::optional<std::string> CanonicalPath(std::string_view path, mounts::Operation operation);
builtin::Answer NamelessAnswer();

}  // namespace belfry::api
