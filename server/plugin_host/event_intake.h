#pragma once

#include <cstddef>
#include <span>

#include "absl/base/thread_annotations.h"
#include "base/mutex.h"
#include "base/steady_time.h"
#include "google/protobuf/arena.h"
#include "google/protobuf/repeated_field.h"
#include "proto/belfry/v1/event_producer.pb.h"
#include "server/plugin_host/event_batch.h"
#include "server/plugin_host/mount_services.h"

namespace belfry::plugin_host {

// Where all events of a mount's plugin end, whichever way they came: the same checks, the same
// publisher. Thread-safe.
class EventIntake final {
 public:
  // `services` must outlive it.
  explicit EventIntake(const MountServices* services) : services_(services) {}

  // Publishes what is accepted, in order, before it returns; what is not gets its reason in
  // `rejected`. The events lie on `arena`, and are of no use afterwards.
  void Accept(std::span<const SentEvent> events, google::protobuf::Arena* arena,
              google::protobuf::RepeatedPtrField<v1::RejectedEvent>* rejected) const;

 private:
  // One line for all that are refused within a minute: a plugin must not be able to flood the log.
  bool MayLog() const;
  void Reject(std::size_t index, const absl::Status& status,
              google::protobuf::RepeatedPtrField<v1::RejectedEvent>* rejected) const;

  const MountServices* const services_;
  mutable Mutex mutex_;
  mutable SteadyTime last_logged_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace belfry::plugin_host
