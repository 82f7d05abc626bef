#include "server/bus/prepared.h"

#include <utility>

namespace belfry::bus {

const Frame& Encodings::In(Format format, const storage::AcceptedEvent& event) {
  Frame& frame = frames_[Index(format)];
  if (!frame) {
    frame = std::make_shared<const Message>(
        Message{.bytes = encode::Encode(format, event), .path = event.path, .type = event.type});
  }
  return frame;
}

KeptEvent::KeptEvent(storage::AcceptedEvent event, Encodings encodings)
    : event_(std::move(event)), encodings_(std::move(encodings)) {}

EventFields KeptEvent::Fields() const {
  MutexLock lock(&mutex_);
  if (!message_) {
    message_.emplace();
    // What was accepted can be read.
    (void)message_->ParseFromString(event_.bytes);
  }
  return FieldsOf(*message_);
}

Frame KeptEvent::In(Format format) const {
  MutexLock lock(&mutex_);
  return encodings_.In(format, event_);
}

std::uint64_t Prepared::subject() {
  if (subject_ == 0) subject_ = subjects_->NumberOf(event_.path, event_.type);
  return subject_;
}

const Frame& Prepared::In(Format format) {
  if (kept_ && !encodings_.Has(format)) encodings_.Put(format, kept_->In(format));
  return encodings_.In(format, event_);
}

const std::shared_ptr<const KeptEvent>& Prepared::Keep() {
  if (!kept_) kept_ = std::make_shared<const KeptEvent>(event_, encodings_);
  return kept_;
}

}  // namespace belfry::bus
