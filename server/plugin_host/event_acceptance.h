#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "proto/vault/event.pb.h"
#include "server/base/limits.h"
#include "server/plugin_host/event_batch.h"

namespace belfry::plugin_host {

// Makes an event, as a plugin sent it, into what the host publishes, or says why not. Pure but for
// a fresh id where the event has none. Thread-safe. After an error the event is of no use.
//
// Identity is given, not claimed: the event gets `mount` (itself, not a copy: both are the
// arena's), and plugin info that it carries already must be equal; nothing in `path` or `data_path`
// can leave the mount.
//
// InvalidArgument: type or metadata are not well formed. ResourceExhausted: beyond `limits`.
// PermissionDenied: the event claims another mount or another namespace.
absl::Status AcceptEvent(logical::EventPluginInfo* mount, const Limits& limits,
                         const SentEvent& sent);

// `path` below `mount_path` ("secret/"), joined and cleaned as Go's path.Join does: "//" and "."
// vanish, ".." takes the part before it away, a '/' at the end goes.
std::string JoinPath(std::string_view mount_path, std::string_view path);

}  // namespace belfry::plugin_host
