#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/time/time.h"
#include "base/event_rules.h"

namespace belfry {

// Every bound of the server in one place, with its default. Sizes are in bytes.
struct Limits {
  // Events. Vault's own clients drop the connection on a message above 32 KiB; what the host adds
  // must still fit.
  std::size_t max_event_bytes = 30 * 1024;
  std::size_t max_events_per_batch = kMaxEventsPerBatch;
  std::size_t max_event_batch_bytes = 128 * 1024 * 1024;

  // Subscribers. A queue that is full in either unit closes its subscriber with 1013.
  std::size_t max_queued_frames = 8192;
  std::size_t max_queued_bytes = 8 * 1024 * 1024;
  absl::Duration ping_interval = absl::Seconds(30);

  // A subscription's type, which may be as long as an event's (base/event_rules.h), and namespaces.
  std::size_t max_event_type_bytes = 256;
  std::size_t max_namespace_patterns = 64;
  std::size_t max_namespace_pattern_bytes = 256;

  // A subscriber's filter. Each regular expression may be compiled to that much memory.
  std::size_t max_filter_bytes = 16 * 1024;
  int max_filter_depth = 100;  // Of parentheses and "not".
  int max_filter_regexes = 8;
  std::int64_t max_filter_regex_memory_bytes = 256 * 1024;

  // What is kept of compiled policies, in bytes; the least recently used go first.
  std::size_t max_rule_cache_bytes = 32 * 1024 * 1024;

  // HTTP.
  std::size_t max_request_body_bytes = 32 * 1024 * 1024;
  // Vault's proxy repeats its token header on each reconnect until a request has a megabyte of
  // headers.
  std::size_t max_request_header_bytes = 1024 * 1024;
  // Of the requests of all connections together, from when their bytes are read until they are
  // answered; one that does not fit is answered with 503, unless it is alone. A quarter is for what
  // comes before it is known that the token may use it, the rest for large bodies.
  std::size_t max_held_request_bytes = 256 * 1024 * 1024;
  // The same of answers, from when they are known until the client has taken them.
  std::size_t max_held_answer_bytes = 256 * 1024 * 1024;
  absl::Duration max_request_duration = absl::Seconds(90);
  // A decoded path with its parts between slashes; beyond, the answer is 400. An event names the
  // path twice and must stay below max_event_bytes.
  std::size_t max_request_path_bytes = 8 * 1024;
  std::size_t max_request_path_segments = 256;
  // Of one question about capabilities.
  std::size_t max_capability_paths = 512;
  // Of one explanation, in all mounts together.
  std::size_t max_explained_patterns = 10000;
  // Connections of clients; 0: what RLIMIT_NOFILE leaves room for.
  std::size_t max_connections = 0;

  // Leases and tokens: of mounts that set none, and the longest that mounts may set.
  absl::Duration default_lease_ttl = absl::Hours(768);
  absl::Duration max_lease_ttl = absl::Hours(768);
  // Of one mount, so many are revoked at once; what fails is tried again after a delay that
  // doubles from the one to the other.
  int max_revocations_at_once = 8;
  absl::Duration lease_min_retry_delay = absl::Seconds(5);
  absl::Duration lease_max_retry_delay = absl::Minutes(15);

  // Plugins.
  absl::Duration plugin_start_timeout = absl::Seconds(60);
  absl::Duration plugin_stop_timeout = absl::Seconds(2);
  std::size_t max_plugin_log_line_bytes = 64 * 1024;
  // What one plugin may write to its log, each second and at once; the rest is counted and dropped.
  std::size_t max_plugin_log_bytes_per_second = 256 * 1024;
  std::size_t max_plugin_log_burst_bytes = 1024 * 1024;
  // Plugins being started at the same time, and requests that wait for one restart.
  std::size_t max_plugin_starts_at_once = 16;
  std::size_t max_requests_queued_per_plugin = 1024;
  // Requests of so many bytes, or to whose path one was answered with, or has read, so many, take
  // turns on the way to the plugin of a mount, within a bound for all of them together; beyond it,
  // as many wait as for a restart. The paths are kept in so many bytes, the last used first.
  std::size_t large_plugin_request_bytes = 256 * 1024;
  std::size_t max_large_bytes_under_way_per_mount = 16 * 1024 * 1024;
  std::size_t max_large_path_cache_bytes = 1024 * 1024;
  // A plugin that does not answer a health check for so long is stopped.
  absl::Duration plugin_probe_timeout = absl::Seconds(2);
  // From the signal to the end of the server, however many plugins do not answer.
  absl::Duration server_stop_timeout = absl::Seconds(10);
  // Between the starts of a plugin that crashes before it answers anything: doubled from the one to
  // the other.
  absl::Duration plugin_min_restart_delay = absl::Milliseconds(250);
  absl::Duration plugin_max_restart_delay = absl::Seconds(30);
  // Of one plugin process; 0: whatever the host itself may use. (setrlimit(2), RLIMIT_DATA and
  // RLIMIT_NOFILE)
  std::size_t max_plugin_memory_bytes = 0;
  std::size_t max_plugin_open_files = 0;

  bool operator==(const Limits&) const = default;
};

}  // namespace belfry
