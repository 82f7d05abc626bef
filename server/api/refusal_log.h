#pragma once

#include <chrono>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "base/log_throttle.h"
#include "base/logging.h"
#include "base/mutex.h"
#include "server/mounts/mount_entry.h"

namespace belfry::api {

// Why an answer of a plugin cannot go on to a client.
enum class RefusedPart { kData, kStatus, kHeader, kRedirect, kGrant };

// The log lines about answers of plugins that were refused. Every answer may be one, so that each
// plugin has ten lines at once for each kind, and one more each ten seconds; what is left out is
// counted. Thread-safe.
class RefusalLog {
 public:
  void Write(const Logger& logger, const mounts::MountEntry& entry, std::string_view request_id,
             RefusedPart part, std::string_view reason);

 private:
  LogThrottle& ThrottleOf(const std::string& plugin, RefusedPart part);

  Mutex mutex_;
  // By the plugin's name: no more than operators have registered.
  std::map<std::pair<std::string, RefusedPart>, LogThrottle> throttles_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace belfry::api
