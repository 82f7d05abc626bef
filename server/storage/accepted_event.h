#pragma once

#include <cstdint>
#include <string>

#include "absl/time/time.h"

namespace belfry::storage {

// An event that the host has accepted: its identity has been checked, and its paths carry the
// mount. It owns what it holds, so it can wait, be kept in a journal, or be sent to anyone.
struct AcceptedEvent {
  // Its place in the one order of all events of this host, from 1; 0 until it is committed.
  std::uint64_t sequence = 0;
  absl::Time accepted;
  std::string bytes;  // The serialized logical.EventReceived.
  std::string type;
  std::string path;        // With the mount in front; "" when the event has none.
  std::string mount;       // The mount's path with its '/'; "" for an event of the host itself.
  std::string name_space;  // With a trailing slash; the root's is "".
};

}  // namespace belfry::storage
