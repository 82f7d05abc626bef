#pragma once

#include <boost/json/object.hpp>
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

// What a subscription's query asks for, as policies see it: the parameters that it acts on, as it
// acts on them ("namespaces" as NamespacePatterns has them, the first "json" as "true" or "false",
// the first "filter" without white space around it, each only where it has an effect), and those
// that it ignores, unless they are one of these in capital letters.
boost::json::object SubscribeParameters(const QueryParameters& query);

// The namespaces that a subscription means: the root, and what each pattern comes to once its
// slashes and its "." and ".." segments are resolved.
std::vector<std::string> NamespacePatterns(const QueryParameters& query);

}  // namespace belfry::api
