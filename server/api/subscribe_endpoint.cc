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

}  // namespace

bool IsSubscribePath(std::string_view path) {
  return IsAtOrBelow(path, kPath);
}

Answered AnswerSubscribe(const Dependencies& dependencies, HttpRequest request,
                         builtin::Call call) {
  const std::string_view type_pattern =
      WithoutPrefix(std::string_view(call.path).substr(kPath.size() - kRoot.size()), "/");
  const subscriptions::Environment& environment = dependencies.host.subscriptions;
  subscriptions::Request asked{.identity = std::move(call.identity),
                               .capability = builtin::CapabilityFor(call.operation),
                               .path = call.path,
                               .type_pattern = std::string(type_pattern),
                               .query = std::move(request.query)};
  if (request.subscriber == nullptr) {
    const absl::Status status = subscriptions::Check(environment, std::move(asked));
    if (!status.ok()) return builtin::SubscriptionRefusal(status);
    return WithoutSubscriber();
  }
  auto opened = subscriptions::Open(environment, std::move(asked), std::move(request.subscriber));
  if (!opened.ok()) return builtin::SubscriptionRefusal(opened.status());
  return *std::move(opened);
}

}  // namespace belfry::api
