#pragma once

#include "absl/status/status.h"
#include "base/limits.h"
#include "proto/vault/event.pb.h"
#include "server/plugin_host/event_batch.h"

namespace belfry::plugin_host {

// Who sends an event, as the host knows it.
struct EventOrigin {
  logical::EventPluginInfo* mount = nullptr;
  std::string_view program;  // The name of the plugin's file.
};

// Makes an event, as a plugin sent it, into what the host publishes, or says why not. Pure but for
// a fresh id where the event has none. Thread-safe. After an error the event is of no use.
//
// Identity is given, not claimed: the event gets the origin's `mount` (itself, not a copy: both
// are the arena's), and plugin info that it carries already must be equal; `path` and `data_path`
// are taken as they are, below the mount, or not at all; the type's first part (up to the first
// '/') is the plugin's name in the catalog, that of its program or the last word of either, perhaps
// with more behind a '-', and never the host's own "sys". (docs/decisions/0008)
//
// InvalidArgument: type or metadata are not as event_rules.h has it. ResourceExhausted: with what
// the host adds it would be larger than `limits` allow. PermissionDenied: the event claims another
// mount, another namespace or a type that is not its plugin's.
absl::Status AcceptEvent(const EventOrigin& origin, const Limits& limits, const SentEvent& sent);

}  // namespace belfry::plugin_host
