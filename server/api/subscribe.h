#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/api/api.h"

namespace belfry::api {

// What to answer instead when a pattern of types is longer than any event's type.
std::optional<HttpResponse> RefuseEventType(std::string_view type, const Limits& limits);

// Whether the path is the subscribe endpoint.
bool IsSubscribePath(std::string_view path);

// Api::Subscribe. `dependencies` must outlive the subscription.
// May take a while: filters are compiled.
SubscribeResult OpenSubscription(const Dependencies& dependencies, const HttpRequest& request,
                                 std::shared_ptr<Subscriber> subscriber);

// The namespaces that a subscription means: the root, and what each pattern comes to once its
// slashes and its "." and ".." segments are resolved.
std::vector<std::string> NamespacePatterns(const HttpRequest& request);

}  // namespace belfry::api
