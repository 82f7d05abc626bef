#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/time/time.h"
#include "base/mutex.h"
#include "proto/vault/event.pb.h"
#include "server/bus/bus.h"
#include "server/bus/event_fields.h"
#include "server/bus/subjects.h"

namespace belfry::bus {

// The bytes of one event, each format encoded when it is first wanted.
struct Frames {
  Frame json;
  Frame protobuf;

  Frame& Of(Format format) { return format == Format::kCloudEventsJson ? json : protobuf; }
  const Frame& As(Format format, const logical::EventReceived& message, absl::Time accepted,
                  const std::string& path);
};

// An event that outlives the call of its publisher: it waits for filters. Immutable, thread-safe.
class KeptEvent {
 public:
  // `frames`: those that were encoded already.
  KeptEvent(const Event& event, std::string path, Frames frames);
  EventFields Fields() const { return FieldsOf(message_); }
  Frame As(Format format) const;
  std::size_t bytes() const { return bytes_; }

 private:
  const logical::EventReceived message_;
  const absl::Time accepted_;
  const std::string path_;
  const std::size_t bytes_;
  mutable Mutex mutex_;
  mutable Frames frames_ ABSL_GUARDED_BY(mutex_);
};

// One event on its way, with what someone has wanted of it so far. Not thread-safe; `event` and
// `subjects` must outlive it.
class Prepared {
 public:
  Prepared(const Event& event, Subjects* subjects);

  const Event& event() const { return event_; }
  const std::string& path() const { return path_; }
  const std::string& type() const { return event_.message->event_type(); }
  // What it is authorized by, as a number.
  std::uint64_t subject();
  const Frame& As(Format format);
  // Shared by all lanes that it waits in.
  const std::shared_ptr<const KeptEvent>& Keep();

 private:
  const Event& event_;
  Subjects* const subjects_;
  const std::string path_;
  std::uint64_t subject_ = 0;
  Frames frames_;
  std::shared_ptr<const KeptEvent> kept_;
};

}  // namespace belfry::bus
