#include "server/plugin_host/event_intake.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/text.h"
#include "server/plugin_host/event_validation.h"

namespace belfry::plugin_host {
namespace {

// Of AcceptEvent.
constexpr absl::StatusCode kRefusals[] = {absl::StatusCode::kInvalidArgument,
                                          absl::StatusCode::kPermissionDenied,
                                          absl::StatusCode::kResourceExhausted};

}  // namespace

EventIntake::EventIntake(const MountServices* services)
    : services_(services), origin_(services->plugin_info, services->program) {
  if (services_->storage == nullptr) return;
  for (const absl::StatusCode code : kRefusals) Rejections(code);
}

Counter& EventIntake::Rejections(absl::StatusCode code) const {
  return services_->metrics->GetCounter(
      "belfry_events_rejected_total", "Events of plugins that the host refused.",
      {{"mount", services_->plugin_info.mount_path()}, {"code", absl::StatusCodeToString(code)}});
}

std::vector<storage::AcceptedEvent> EventIntake::Accept(
    const std::vector<std::string_view>& events,
    google::protobuf::RepeatedPtrField<v1::RejectedEvent>* rejected) const {
  std::vector<storage::AcceptedEvent> accepted;
  accepted.reserve(events.size());
  const absl::Time now = services_->clock->Now();
  for (std::size_t i = 0; i < events.size(); ++i) {
    absl::StatusOr<storage::AcceptedEvent> event =
        AcceptEvent(origin_, services_->limits, events[i], now);
    if (event.ok()) {
      accepted.push_back(*std::move(event));
    } else {
      Reject(i, event.status(), rejected);
    }
  }
  if (!rejected->empty()) LogRefusals(*rejected);
  return accepted;
}

void EventIntake::Commit(std::vector<storage::AcceptedEvent> events,
                         storage::Storage::Done done) const {
  if (services_->storage == nullptr || events.empty()) return done(absl::OkStatus());
  services_->storage->Commit({.events = std::move(events)}, std::move(done));
}

void EventIntake::LogRefusals(
    const google::protobuf::RepeatedPtrField<v1::RejectedEvent>& rejected) const {
  const std::optional<std::uint64_t> left_out = lines_.Take(services_->clock->Steady().ToChrono());
  if (!left_out) return;
  services_->logger.Warn("refused events of a plugin",
                         {{"mount", services_->plugin_info.mount_path()},
                          {"plugin", services_->plugin_info.plugin()},
                          {"refused", std::to_string(rejected.size())},
                          {"first_reason", rejected.Get(0).reason()},
                          {"suppressed", std::to_string(*left_out)}});
}

void EventIntake::Reject(std::size_t index, const absl::Status& status,
                         google::protobuf::RepeatedPtrField<v1::RejectedEvent>* rejected) const {
  v1::RejectedEvent& refusal = *rejected->Add();
  refusal.set_index(static_cast<std::uint32_t>(index));
  refusal.set_code(static_cast<int>(status.code()));
  refusal.set_reason(std::string(ToStd(status.message())));
  Rejections(status.code()).Increment();
}

}  // namespace belfry::plugin_host
