#pragma once

#include <string>
#include <string_view>

#include "server/mounts/engine.h"

namespace belfry::api {

// What may become part of an HTTP answer although a plugin wrote it. Pure functions, thread-safe.

// Whether a header can have this value: visible ASCII, spaces and tabs, at most 8 KiB. (RFC 9110
// 5.5, without its obsolete bytes above 0x7f.)
bool IsHeaderValue(std::string_view value);

// "" when a plugin's redirect may be followed, else why not. A client repeats its request, token
// and body included, wherever a 307 sends it: so it is a path of this host in its canonical form,
// and a request that may change something stays below `mount_path` ("secret/"), because who asked
// has agreed to change nothing else.
std::string WhyNotRedirect(std::string_view location, mounts::Operation operation,
                           std::string_view mount_path);

}  // namespace belfry::api
