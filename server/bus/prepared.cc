#include "server/bus/prepared.h"

#include <utility>

#include "server/encode/encode.h"

namespace belfry::bus {

const Frame& Frames::As(Format format, const logical::EventReceived& message, absl::Time accepted,
                        const std::string& path) {
  Frame& frame = Of(format);
  if (!frame) {
    std::string bytes = format == Format::kCloudEventsJson
                            ? encode::CloudEventJson(message, accepted)
                            : encode::Protobuf(message);
    frame = std::make_shared<const Message>(
        Message{.bytes = std::move(bytes), .path = path, .type = message.event_type()});
  }
  return frame;
}

KeptEvent::KeptEvent(const Event& event, std::string path, Frames frames)
    : message_(*event.message),
      accepted_(event.accepted),
      path_(std::move(path)),
      bytes_(event.message->ByteSizeLong()),
      frames_(std::move(frames)) {}

Frame KeptEvent::As(Format format) const {
  MutexLock lock(&mutex_);
  return frames_.As(format, message_, accepted_, path_);
}

Prepared::Prepared(const Event& event, Subjects* subjects)
    : event_(event), subjects_(subjects), path_(MetadataText(*event.message, "path")) {}

std::uint64_t Prepared::subject() {
  if (subject_ == 0) subject_ = subjects_->NumberOf(path_, type());
  return subject_;
}

const Frame& Prepared::As(Format format) {
  if (Frame& frame = frames_.Of(format); kept_ && !frame) frame = kept_->As(format);
  return frames_.As(format, *event_.message, event_.accepted, path_);
}

const std::shared_ptr<const KeptEvent>& Prepared::Keep() {
  if (!kept_) kept_ = std::make_shared<const KeptEvent>(event_, path_, frames_);
  return kept_;
}

}  // namespace belfry::bus
