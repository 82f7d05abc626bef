#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "base/limits.h"
#include "server/api/http_message.h"
#include "server/builtin/answer.h"
#include "server/mounts/engine.h"

namespace belfry::api {

// From an HTTP request to what is asked of a path. Pure functions, thread-safe.

// What to answer instead when X-Vault-Namespace names a namespace other than the root, which is ""
// or "root", slashes apart: there is no other. Vault's free edition ignores the header; but a
// secret that was meant for another namespace must not end up in this one.
// (vault-api-and-events 8.1)
std::optional<builtin::Answer> RefuseNamespace(const HttpRequest& request);

// What to answer instead when X-Vault-Wrap-TTL cannot be read, or asks for a wrapped answer: a
// secret that is to be wrapped must not be sent in the clear.
std::optional<builtin::Answer> RefuseWrapping(const HttpRequest& request);

// The operation that the method and ?list= name; a POST or PUT is kUpdate until the engine has been
// asked. Otherwise 405, or 415 and 400 for a PATCH that is no merge patch.
std::variant<mounts::Operation, builtin::Answer> OperationOf(const HttpRequest& request);

// The request's data as the text of a JSON object or "null": the query of what reads or deletes,
// the body of what writes. 400 when the body is no JSON object, or something is not UTF-8.
std::variant<std::string, builtin::Answer> DataOf(HttpRequest& request,
                                                  mounts::Operation operation);

// What follows "Bearer " in an Authorization header, or "".
std::string_view BearerToken(const HttpRequest& request);

}  // namespace belfry::api
