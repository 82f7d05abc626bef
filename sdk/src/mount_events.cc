#include "sdk/src/mount_events.h"

#include <openssl/rand.h>

#include <array>

#include "absl/strings/escaping.h"
#include "absl/time/clock.h"
#include "sdk/src/valid_utf8.h"
#include "server/base/text.h"

namespace belfry::internal {
namespace {

constexpr absl::Duration kLogInterval = absl::Minutes(1);
constexpr std::size_t kMaxLoggedTypes = 256;

}  // namespace

std::string NewEventId() {
  std::array<unsigned char, 16> bytes;
  RAND_bytes(bytes.data(), bytes.size());
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const std::string hex =
      absl::BytesToHexString({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  const auto part = [&hex](std::size_t at, std::size_t size) {
    return std::string_view(hex).substr(at, size);
  };
  return Concat(
      {part(0, 8), "-", part(8, 4), "-", part(12, 4), "-", part(16, 4), "-", part(20, 12)});
}

absl::Status MountEvents::DoSend(std::string_view type,
                                 std::map<std::string, std::string> metadata) {
  logical::EventReceived event;
  event.set_event_type(ValidUtf8(type));
  event.mutable_event()->set_id(NewEventId());
  auto& fields = *event.mutable_event()->mutable_metadata()->mutable_fields();
  for (const auto& [key, value] : metadata) {
    fields[ValidUtf8(key)].set_string_value(ValidUtf8(value));
  }
  return stream_->Send(std::move(event));
}

bool MountEvents::MayLog(std::string_view type, absl::Time now) {
  MutexLock lock(&mutex_);
  auto found = last_logged_.find(type);
  if (found == last_logged_.end()) {
    if (last_logged_.size() >= kMaxLoggedTypes) return false;
    last_logged_.emplace(type, now);
    return true;
  }
  if (now - found->second < kLogInterval) return false;
  found->second = now;
  return true;
}

void MountEvents::LogFailure(std::string_view type, const absl::Status& status) {
  if (!MayLog(type, absl::Now())) return;
  log_->Write(LogLevel::kWarn, "an event was not sent",
              {{"event_type", type}, {"error", status.ToString()}});
}

}  // namespace belfry::internal
