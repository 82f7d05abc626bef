#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "server/api/api.h"

namespace belfry::api {

// Whether the path is the subscribe endpoint.
bool IsSubscribePath(std::string_view path);

// Api::Subscribe. `dependencies` must outlive the subscription.
std::variant<OpenedSubscription, HttpResponse> OpenSubscription(
    const Dependencies& dependencies, const HttpRequest& request,
    std::shared_ptr<Subscriber> subscriber);

// The namespaces that a subscription means: the root, and what each pattern comes to once its
// slashes and its "." and ".." segments are resolved.
std::vector<std::string> NamespacePatterns(const HttpRequest& request);

}  // namespace belfry::api
