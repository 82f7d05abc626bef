#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/text.h"
#include "server/builtin/canonical_names.h"
#include "server/builtin/endpoint.h"
#include "server/builtin/json_text.h"
#include "server/subscriptions/history.h"

namespace belfry::builtin {
namespace {

// Who reads what was, must be allowed to hear what is.
constexpr std::string_view kSubscribe = "sys/events/subscribe/";
constexpr std::int64_t kUsualLimit = 100;
constexpr std::int64_t kMostLimit = 1000;
// Shorter than a request may take by default (limits.h): with a shorter bound the answer is 504.
constexpr absl::Duration kLongestWait = absl::Seconds(60);

subscriptions::Query QueryOf(const Fields& fields) {
  subscriptions::Query query = {{"json", "true"},
                                {"after", fields.Has("after") ? fields.Text("after") : "earliest"}};
  if (fields.Has("filter")) query.emplace_back("filter", fields.Text("filter"));
  for (std::string& name : fields.List("namespaces"))
    query.emplace_back("namespaces", std::move(name));
  return query;
}

std::variant<subscriptions::HistoryQuestion, Answer> Parse(const Dependencies& dependencies,
                                                           const Call& call) {
  const Fields& fields = call.fields;
  const std::string type = fields.Has("type") ? fields.Text("type") : "*";
  std::string path = WithCanonicalNames(Concat({kSubscribe, type}));
  if (std::optional<Answer> refusal = RefusePath(path, dependencies.limits))
    return *std::move(refusal);
  const std::int64_t limit = fields.Has("limit") ? fields.Number("limit") : kUsualLimit;
  if (limit < 1 || limit > kMostLimit) {
    return ErrorAnswer(
        400, Concat({"limit is a number of events from 1 to ", std::to_string(kMostLimit)}));
  }
  const absl::Duration wait = fields.Duration("wait");
  if (wait > kLongestWait) return ErrorAnswer(400, "wait is at most 60s: ask again after that");
  subscriptions::Request request = {.identity = call.identity,
                                    .path = path,
                                    .type_pattern = path.substr(kSubscribe.size()),
                                    .query = QueryOf(fields)};
  return subscriptions::HistoryQuestion{
      .request = std::move(request), .most = static_cast<std::size_t>(limit), .wait = wait};
}

// Each frame is a JSON object and a line feed.
std::string EventsText(const std::vector<std::string>& frames) {
  std::string text = "[";
  for (const std::string& frame : frames) {
    if (text.size() > 1) text += ',';
    text.append(frame, 0, frame.find_last_not_of('\n') + 1);
  }
  return text + "]";
}

Answer PageAnswer(const std::string& id, const absl::StatusOr<subscriptions::HistoryPage>& page) {
  if (!page.ok()) return SubscriptionRefusal(page.status());
  std::string data =
      ObjectText().Text("cursor", page->cursor).Raw("events", EventsText(page->frames)).Finish();
  return EnvelopeAnswer({.request_id = id, .data = std::move(data), .mount_type = "system"});
}

void BeginHistory(const Dependencies& dependencies, Call call, Respond respond) {
  std::variant<subscriptions::HistoryQuestion, Answer> parsed = Parse(dependencies, call);
  if (auto* refusal = std::get_if<Answer>(&parsed)) return respond(std::move(*refusal));
  ReadHistory(dependencies.subscriptions, dependencies.clock, dependencies.scheduler,
              dependencies.executor, std::move(std::get<subscriptions::HistoryQuestion>(parsed)),
              [id = call.id, respond = std::move(respond)](
                  const absl::StatusOr<subscriptions::HistoryPage>& page) mutable {
                respond(PageAnswer(id, page));
              });
}

constexpr DeclaredField kFields[] = {
    {"after", FieldKind::kText},   {"filter", FieldKind::kText},
    {"limit", FieldKind::kNumber}, {"namespaces", FieldKind::kTextList},
    {"type", FieldKind::kText},    {"wait", FieldKind::kDuration},
};

constexpr Endpoint kEndpoints[] = {
    {.path = "sys/events/history",
     .operation = mounts::Operation::kRead,
     .fields = kFields,
     .begin = &BeginHistory},
};

}  // namespace

std::span<const Endpoint> HistoryEndpoints() {
  return kEndpoints;
}

}  // namespace belfry::builtin
