#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/limits.h"
#include "proto/vault/event.pb.h"
#include "server/storage/accepted_event.h"

namespace belfry::plugin_host {

// Who sends an event, as the host knows it, and what every event from there needs of it. One for
// each mount. Immutable, thread-safe.
class EventOrigin final {
 public:
  // `program` is the name of the plugin's file. Both are copied.
  EventOrigin(const logical::EventPluginInfo& mount, std::string_view program);

  // The serialized `mount`.
  const std::string& plugin_info() const { return plugin_info_; }
  const std::string& mount_path() const { return mount_path_; }
  const std::string& plugin() const { return plugin_; }

  // Whether an event's type may begin with that part, up to its first '/'. The host's own "sys" is
  // not looked for.
  bool MayBegin(std::string_view first_part) const;
  // No less than what an event has, in bytes, that was sent with so many.
  std::size_t MaxBytes(std::size_t sent_bytes) const { return sent_bytes + max_added_bytes_; }

 private:
  const std::string plugin_info_;
  const std::string mount_path_;
  const std::string plugin_;
  const std::vector<std::string> names_;
  const std::size_t max_added_bytes_;
};

// Makes an event, serialized as a plugin sent it, into what the host publishes, or says why not.
// Pure but for a fresh id where the event has none. Thread-safe. The result holds no view of
// `wire`; its cursor is 0, its namespace the root, its `bytes` are no more than `limits` allow.
//
// Identity is given, not claimed: the event gets the origin's plugin info, and what it carries
// already must be equal; `path` and `data_path` are taken as they are, below the mount, or not at
// all; the type's first part (up to the first '/') is the plugin's name in the catalog, that of its
// program or the last word of either, perhaps with more behind a '-', and never the host's own
// "sys". (docs/decisions/0008) Fields that this host's logical.EventReceived does not have are left
// out, since nobody has checked what they say.
//
// Most events are read once and written once. Those in a shape that serializers do not write, with
// plugin info, or with lists or objects in their metadata take some six times as long.
//
// InvalidArgument: protobuf cannot read it, or type, id or metadata are not as event_rules.h
// has it.
// ResourceExhausted: with what the host adds it would be larger than `limits` allow.
// PermissionDenied: the event claims another mount, another namespace or a type that is not its
// plugin's.
absl::StatusOr<storage::AcceptedEvent> AcceptEvent(const EventOrigin& origin, const Limits& limits,
                                                   std::string_view wire, absl::Time accepted);

}  // namespace belfry::plugin_host
