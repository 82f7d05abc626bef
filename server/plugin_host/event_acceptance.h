#pragma once

#include "absl/status/status.h"
#include "proto/vault/event.pb.h"
#include "server/base/limits.h"
#include "server/plugin_host/event_batch.h"

namespace belfry::plugin_host {

// Makes an event, as a plugin sent it, into what the host publishes, or says why not. Pure but for
// a fresh id where the event has none. Thread-safe. After an error the event is of no use.
//
// Identity is given, not claimed: the event gets `mount` (itself, not a copy: both are the
// arena's), and plugin info that it carries already must be equal; `path` and `data_path` are
// taken as they are, below the mount, or not at all.
//
// InvalidArgument: type or metadata are not as event_rules.h has it. ResourceExhausted: with what
// the host adds it would be larger than `limits` allow.
// PermissionDenied: the event claims another mount or another namespace.
absl::Status AcceptEvent(logical::EventPluginInfo* mount, const Limits& limits,
                         const SentEvent& sent);

}  // namespace belfry::plugin_host
