#include "server/api/refusal_log.h"

#include <cstdint>
#include <optional>

namespace belfry::api {
namespace {

constexpr int kLinesAtOnce = 10;
constexpr std::chrono::seconds kBetweenLines(10);

}  // namespace

LogThrottle& RefusalLog::ThrottleOf(const std::string& plugin, RefusedPart part) {
  MutexLock lock(&mutex_);
  return throttles_.try_emplace({plugin, part}, kLinesAtOnce, kBetweenLines).first->second;
}

void RefusalLog::Write(const Logger& logger, const mounts::MountEntry& entry,
                       std::string_view request_id, RefusedPart part, std::string_view reason) {
  const std::optional<std::uint64_t> left_out = ThrottleOf(entry.type, part).Take();
  if (!left_out) return;
  logger.Warn("an answer of a plugin was refused", {{"mount", entry.path},
                                                    {"plugin", entry.type},
                                                    {"request_id", std::string(request_id)},
                                                    {"reason", std::string(reason)},
                                                    {"suppressed", std::to_string(*left_out)}});
}

}  // namespace belfry::api
