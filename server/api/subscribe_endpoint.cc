#include "server/api/subscribe_endpoint.h"

#include <utility>

#include "base/paths.h"
#include "base/strings.h"
#include "base/text.h"
#include "server/builtin/answer.h"
#include "server/subscriptions/subscriptions.h"

namespace belfry::api {
namespace {

constexpr std::string_view kRoot = "/v1/";
constexpr std::string_view kPath = "/v1/sys/events/subscribe";

// Why a subscription is not opened, as subscriptions::Open and Check say it.
builtin::Answer Refusal(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kUnauthenticated:
      return builtin::InvalidToken();
    case absl::StatusCode::kPermissionDenied:
      return builtin::Denied();
    case absl::StatusCode::kUnavailable:
      return builtin::ErrorAnswer(503, ToStd(status.message()));
    default:
      return builtin::ErrorAnswer(400, ToStd(status.message()));
  }
}

}  // namespace

bool IsSubscribePath(std::string_view path) {
  return IsAtOrBelow(path, kPath);
}

Answered AnswerSubscribe(const Dependencies& dependencies, HttpRequest request,
                         builtin::Call call) {
  const std::string_view type_pattern =
      WithoutPrefix(std::string_view(call.path).substr(kPath.size() - kRoot.size()), "/");
  const subscriptions::Environment environment{.authorizer = dependencies.host.authorizer,
                                               .bus = dependencies.bus,
                                               .followers = dependencies.followers,
                                               .subscribers = dependencies.subscribers,
                                               .limits = dependencies.host.limits};
  subscriptions::Request asked{.identity = std::move(call.identity),
                               .capability = builtin::CapabilityFor(call.operation),
                               .path = call.path,
                               .type_pattern = std::string(type_pattern),
                               .query = std::move(request.query)};
  if (request.subscriber == nullptr) {
    const absl::Status status = subscriptions::Check(environment, std::move(asked));
    if (!status.ok()) return Refusal(status);
    return WithoutSubscriber();
  }
  auto opened = subscriptions::Open(environment, std::move(asked), std::move(request.subscriber));
  if (!opened.ok()) return Refusal(opened.status());
  return *std::move(opened);
}

}  // namespace belfry::api
