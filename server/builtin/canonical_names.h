#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/limits.h"
#include "server/builtin/answer.h"

namespace belfry::builtin {

// The names that paths end in, and paths that are given elsewhere than in a request's target. Pure
// functions, thread-safe.

// What to answer instead when a path (without '/' at its front) is not clean, cannot be printed, is
// not UTF-8, or has more bytes or segments than `limits` allow: 400.
std::optional<Answer> RefusePath(std::string_view path, const Limits& limits);

// Only those that have more bytes or segments than `limits` allow.
std::optional<Answer> RefuseLongPath(std::string_view path, const Limits& limits);

// Only those that are not clean or cannot be printed.
std::optional<Answer> RefuseText(std::string_view path);

// A policy's name in lower case and without white space around it, an event type without white
// space around it; other paths as they are.
std::string WithCanonicalNames(std::string_view path);

}  // namespace belfry::builtin
