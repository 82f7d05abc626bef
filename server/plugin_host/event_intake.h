#pragma once

#include <chrono>
#include <cstddef>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "base/log_throttle.h"
#include "base/metrics.h"
#include "google/protobuf/repeated_field.h"
#include "proto/belfry/v1/event_producer.pb.h"
#include "server/plugin_host/event_validation.h"
#include "server/plugin_host/mount_services.h"
#include "server/storage/storage.h"

namespace belfry::plugin_host {

// Where all events of a mount's plugin end, whichever way they came: the same checks, the same
// storage. Thread-safe.
class EventIntake final {
 public:
  // `services` must outlive it. The counters of what is refused are there from now on, unless the
  // plugin is only registered.
  explicit EventIntake(const MountServices* services);

  // Those that are accepted, in order; what is not gets its reason in `rejected`. Each is a
  // serialized logical.EventReceived.
  std::vector<storage::AcceptedEvent> Accept(
      const std::vector<std::string_view>& events,
      google::protobuf::RepeatedPtrField<v1::RejectedEvent>* rejected) const;

  // Commits events that no change goes with.
  void Commit(std::vector<storage::AcceptedEvent> events, storage::Storage::Done done) const;

 private:
  void LogRefusals(const google::protobuf::RepeatedPtrField<v1::RejectedEvent>& rejected) const;
  Counter& Rejections(absl::StatusCode code) const;
  void Reject(std::size_t index, const absl::Status& status,
              google::protobuf::RepeatedPtrField<v1::RejectedEvent>* rejected) const;

  const MountServices* const services_;
  const EventOrigin origin_;
  // One line a minute: a plugin must not be able to flood the log.
  mutable LogThrottle lines_{1, std::chrono::minutes(1)};
};

}  // namespace belfry::plugin_host
