#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "base/mutex.h"
#include "proto/vault/event.pb.h"
#include "server/bus/bus.h"
#include "server/bus/event_fields.h"
#include "server/bus/subjects.h"
#include "server/encode/encode.h"
#include "server/storage/accepted_event.h"

namespace belfry::bus {

// What one event is in the formats that somebody has wanted so far. Not thread-safe.
class Encodings {
 public:
  // Of `event`, which is the same each time.
  const Frame& In(Format format, const storage::AcceptedEvent& event);
  bool Has(Format format) const { return frames_[Index(format)] != nullptr; }
  void Put(Format format, Frame frame) { frames_[Index(format)] = std::move(frame); }

 private:
  static std::size_t Index(Format format) { return static_cast<std::size_t>(format); }

  std::array<Frame, encode::kFormats> frames_;
};

// An event that outlives its batch: it waits for filters. Immutable, thread-safe.
class KeptEvent {
 public:
  // `encodings`: those that there are already.
  KeptEvent(storage::AcceptedEvent event, Encodings encodings);
  // The views live as long as this.
  EventFields Fields() const;
  Frame In(Format format) const;
  std::size_t bytes() const { return event_.bytes.size(); }

 private:
  const storage::AcceptedEvent event_;
  mutable Mutex mutex_;
  mutable Encodings encodings_ ABSL_GUARDED_BY(mutex_);
  mutable std::optional<logical::EventReceived> message_ ABSL_GUARDED_BY(mutex_);
};

// One event on its way, with what someone has wanted of it so far. Not thread-safe; `event` and
// `subjects` must outlive it.
class Prepared {
 public:
  Prepared(const storage::AcceptedEvent& event, Subjects* subjects)
      : event_(event), subjects_(subjects) {}

  const storage::AcceptedEvent& event() const { return event_; }
  // What it is authorized by, as a number.
  std::uint64_t subject();
  const Frame& In(Format format);
  // Shared by all lanes that it waits in.
  const std::shared_ptr<const KeptEvent>& Keep();

 private:
  const storage::AcceptedEvent& event_;
  Subjects* const subjects_;
  std::uint64_t subject_ = 0;
  Encodings encodings_;
  std::shared_ptr<const KeptEvent> kept_;
};

}  // namespace belfry::bus
