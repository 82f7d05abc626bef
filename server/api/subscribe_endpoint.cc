#include "server/api/subscribe_endpoint.h"

#include <utility>

#include "base/strings.h"
#include "server/api/responses.h"
#include "server/subscriptions/subscriptions.h"

namespace belfry::api {
namespace {

constexpr std::string_view kRoot = "/v1/";
constexpr std::string_view kPath = "/v1/sys/events/subscribe";

}  // namespace

bool IsSubscribePath(std::string_view path) {
  return path.starts_with(kPath) && (path.size() == kPath.size() || path[kPath.size()] == '/');
}

Outcome AnswerSubscribe(const Dependencies& dependencies, HttpRequest request, Call call) {
  const std::string_view type_pattern =
      WithoutPrefix(std::string_view(call.path).substr(kPath.size() - kRoot.size()), "/");
  auto pending = subscriptions::Prepare({.authorizer = dependencies.authorizer,
                                         .bus = dependencies.bus,
                                         .executor = dependencies.executor,
                                         .limits = dependencies.limits},
                                        {.identity = std::move(call.identity),
                                         .capability = CapabilityFor(call.operation),
                                         .path = call.path,
                                         .type_pattern = std::string(type_pattern),
                                         .query = request.query});
  if (!pending.ok()) return SubscriptionRefused(pending.status());
  return SubscriptionRequest{.request = std::move(request), .pending = *std::move(pending)};
}

}  // namespace belfry::api
