// The filter of a subscription, and an event that it is asked about: its type, operation and data
// path on a line each, then the filter. (vault-api-and-events 2.7)

#include "server/bus/filter.h"

#include <charconv>

#include "base/text.h"
#include "server/bus/bexpr.h"
#include "tests/fuzz/fuzz.h"

namespace belfry::bus {
namespace {

// Room for what this puts around a filter.
Limits Wider() {
  Limits limits;
  limits.max_filter_bytes += 16;
  limits.max_filter_depth += 2;
  return limits;
}

// "1:5 (4): what", or, of what has no place, only what.
void ExamineRefusal(std::string_view text, const absl::Status& refusal) {
  BELFRY_CLAIM(refusal.code() == absl::StatusCode::kInvalidArgument);
  const std::string_view message = ToStd(refusal.message());
  if (message.starts_with("longer than ")) return;
  const std::size_t begin = message.find('(') + 1;
  std::size_t offset = 0;
  const auto [stop, error] =
      std::from_chars(message.data() + begin, message.data() + message.size(), offset);
  BELFRY_CLAIM(error == std::errc() && std::string_view(stop, 3) == "): ");
  BELFRY_CLAIM(offset <= text.size());
}

void ExamineFilter(std::string_view text, const EventFields& event) {
  const auto filter = Filter::Parse(text, Limits());
  const auto expression = bexpr::Parse(text, Limits());
  if (!filter.ok()) {
    ExamineRefusal(text, filter.status());
    BELFRY_CLAIM(expression.ok() || text.size() > Limits().max_filter_bytes ||
                 expression.status() == filter.status());
    return;
  }
  BELFRY_CLAIM(expression.ok());
  BELFRY_CLAIM((*filter)->text() == text);
  const auto opposite = Filter::Parse(Concat({"not (", text, ")"}), Wider());
  BELFRY_CLAIM(opposite.ok());
  BELFRY_CLAIM((*opposite)->Matches(event) != (*filter)->Matches(event));
}

}  // namespace
}  // namespace belfry::bus

void belfry::fuzz::Examine(std::string_view input) {
  bus::EventFields event{.source_plugin_mount = "secret/"};
  event.event_type = TakeLine(input);
  event.operation = TakeLine(input);
  event.data_path = TakeLine(input);
  bus::ExamineFilter(input, event);
}
