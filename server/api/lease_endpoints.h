#pragma once

#include <string_view>

#include "server/api/api.h"
#include "server/api/call.h"

namespace belfry::api {

// sys/leases/ and its older names sys/renew, sys/revoke and the like. Thread-safe.

// Whether AnswerLeases is to answer `path`.
bool IsLeasesPath(std::string_view path);

// For a caller who may. Answers when the engine has, where it is asked.
void AnswerLeases(const Dependencies& dependencies, Call call, Respond respond);

}  // namespace belfry::api
