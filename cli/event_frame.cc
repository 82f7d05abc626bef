#include "cli/event_frame.h"

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <string_view>
#include <utility>

#include "absl/status/statusor.h"
#include "cli/cursor.h"
#include "cli/json_text.h"

namespace belfry::cli {
namespace {

constexpr std::string_view kEventType = "*";

std::string StringIn(const boost::json::object& object, std::string_view name) {
  const auto* value = object.if_contains(name);
  if (value == nullptr || !value->is_string()) return "";
  return std::string(value->get_string());
}

EventFrame::Kind KindOf(std::string_view type) {
  if (type == "belfry.bookmark") return EventFrame::Kind::kBookmark;
  if (type == "belfry.gap") return EventFrame::Kind::kGap;
  return EventFrame::Kind::kEvent;
}

}  // namespace

EventFrame ReadEventFrame(std::string message) {
  EventFrame frame{.text = std::move(message)};
  const absl::StatusOr<boost::json::value> parsed = ParseJson(frame.text);
  const auto* event = parsed.ok() ? parsed->if_object() : nullptr;
  if (event == nullptr) return frame;
  frame.event_type = StringIn(*event, "type");
  frame.kind = KindOf(frame.event_type);
  if (std::string cursor = StringIn(*event, "cursor"); IsCursor(cursor))
    frame.cursor = std::move(cursor);
  const auto* member = event->if_contains("data");
  const auto* data = member == nullptr ? nullptr : member->if_object();
  if (data == nullptr) return frame;
  if (frame.event_type == kEventType) frame.event_type = StringIn(*data, "event_type");
  if (frame.kind == EventFrame::Kind::kGap) frame.gap_reason = StringIn(*data, "reason");
  return frame;
}

}  // namespace belfry::cli
