#include "server/api/subscribe_endpoint.h"

#include <utility>

#include "base/paths.h"
#include "base/strings.h"
#include "base/text.h"
#include "server/subscriptions/subscriptions.h"

namespace belfry::api {
namespace {

constexpr std::string_view kRoot = "/v1/";
constexpr std::string_view kPath = "/v1/sys/events/subscribe";

}  // namespace

bool IsSubscribePath(std::string_view path) {
  return IsAtOrBelow(path, kPath);
}

Answered AnswerSubscribe(const Dependencies& dependencies, HttpRequest request,
                         builtin::Call call) {
  const std::string_view type_pattern =
      WithoutPrefix(std::string_view(call.path).substr(kPath.size() - kRoot.size()), "/");
  auto pending = subscriptions::Prepare({.authorizer = dependencies.host.authorizer,
                                         .bus = dependencies.bus,
                                         .executor = dependencies.host.executor,
                                         .limits = dependencies.host.limits},
                                        {.identity = std::move(call.identity),
                                         .capability = builtin::CapabilityFor(call.operation),
                                         .path = call.path,
                                         .type_pattern = std::string(type_pattern),
                                         .query = request.query});
  if (!pending.ok()) return SubscriptionRefusal(pending.status());
  return SubscriptionRequest{.request = std::move(request), .pending = *std::move(pending)};
}

builtin::Answer SubscriptionRefusal(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kUnauthenticated:
      return builtin::InvalidToken();
    case absl::StatusCode::kPermissionDenied:
      return builtin::Denied();
    case absl::StatusCode::kResourceExhausted:
      return builtin::TooBusy();
    default:
      return builtin::ErrorAnswer(400, ToStd(status.message()));
  }
}

}  // namespace belfry::api
