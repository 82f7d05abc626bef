#include "server/api/subscribe.h"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <map>
#include <optional>
#include <utility>
#include <variant>

#include "absl/strings/escaping.h"
#include "base/text.h"
#include "server/api/authentication.h"
#include "server/api/call.h"
#include "server/api/canonical_path.h"
#include "server/api/request_parsing.h"
#include "server/api/responses.h"
#include "server/api/strings.h"
#include "server/bus/filter.h"

namespace belfry::api {
namespace {

constexpr std::string_view kRoot = "/v1/";
constexpr std::string_view kPath = "/v1/sys/events/subscribe";

HttpResponse TextAnswer(int status, std::string_view text) {
  return Answer(status, "text/plain; charset=utf-8", Concat({text, "\n"}));
}

HttpResponse Violation(int status, std::string_view text) {
  return TextAnswer(status, Concat({"WebSocket protocol violation: ", text}));
}

HttpResponse UpgradeRequired(std::string_view text) {
  HttpResponse response = Violation(426, text);
  response.headers.emplace_back("Connection", "Upgrade");
  response.headers.emplace_back("Upgrade", "websocket");
  return response;
}

std::string Quoted(std::string_view text) {
  return Concat({"\"", absl::CEscape(ToAbsl(text)), "\""});
}

std::vector<std::string_view> HeaderValues(const HttpRequest& request, std::string_view name) {
  std::vector<std::string_view> values;
  for (const auto& [key, value] : request.headers) {
    if (EqualIgnoringCase(key, name)) values.push_back(value);
  }
  return values;
}

// Whether one of the header's comma-separated values is `token`.
bool HeaderContains(const HttpRequest& request, std::string_view name, std::string_view token) {
  for (std::string_view value : HeaderValues(request, name)) {
    for (std::string_view part : Split(value, ',')) {
      if (EqualIgnoringCase(Stripped(part), token)) return true;
    }
  }
  return false;
}

std::optional<HttpResponse> RefuseKey(const HttpRequest& request) {
  const std::vector<std::string_view> keys = HeaderValues(request, "Sec-WebSocket-Key");
  if (keys.empty()) return Violation(400, "missing Sec-WebSocket-Key");
  if (keys.size() > 1) return Violation(400, "multiple Sec-WebSocket-Key headers");
  const std::string_view key = Stripped(keys.front());
  std::string decoded;
  if (key.size() != 24 || !absl::Base64Unescape(ToAbsl(key), &decoded) || decoded.size() != 16) {
    return Violation(400, Concat({"invalid Sec-WebSocket-Key ", Quoted(key),
                                  ", must be a 16 byte base64 encoded string"}));
  }
  return std::nullopt;
}

// The host, and port if any, of "scheme://host:port/…"; "" when it is no such thing.
std::string_view HostOf(std::string_view origin) {
  const std::size_t scheme = origin.find("://");
  if (scheme == std::string_view::npos) return {};
  origin.remove_prefix(scheme + 3);
  return origin.substr(0, origin.find_first_of("/?#"));
}

std::optional<HttpResponse> RefuseOrigin(const HttpRequest& request) {
  const std::string_view origin = request.Header("Origin");
  const std::string_view host = request.Header("Host");
  if (origin.empty() || EqualIgnoringCase(HostOf(origin), host)) return std::nullopt;
  return TextAnswer(403, Concat({"request Origin ", Quoted(origin), " is not authorized for Host ",
                                 Quoted(host)}));
}

std::optional<HttpResponse> RefuseHandshake(const HttpRequest& request) {
  if (request.version < 11) {
    return UpgradeRequired("handshake request must be at least HTTP/1.1: \"HTTP/1.0\"");
  }
  if (!HeaderContains(request, "Connection", "Upgrade")) {
    return UpgradeRequired(Concat(
        {"Connection header ", Quoted(request.Header("Connection")), " does not contain Upgrade"}));
  }
  if (!HeaderContains(request, "Upgrade", "websocket")) {
    return UpgradeRequired(Concat(
        {"Upgrade header ", Quoted(request.Header("Upgrade")), " does not contain websocket"}));
  }
  if (request.method != "GET") {
    return Violation(405,
                     Concat({"handshake request method is not GET but ", Quoted(request.method)}));
  }
  if (request.Header("Sec-WebSocket-Version") != "13") {
    HttpResponse response =
        TextAnswer(400, Concat({"unsupported WebSocket protocol version (only 13 is supported): ",
                                Quoted(request.Header("Sec-WebSocket-Version"))}));
    response.headers.emplace_back("Sec-WebSocket-Version", "13");
    return response;
  }
  if (std::optional<HttpResponse> refusal = RefuseKey(request)) return refusal;
  return RefuseOrigin(request);
}

std::optional<HttpResponse> RefuseNamespacePatterns(const std::vector<std::string>& patterns,
                                                    const Limits& limits) {
  if (patterns.size() > limits.max_namespace_patterns) {
    return ErrorAnswer(
        400, Concat({"a subscription has at most ", std::to_string(limits.max_namespace_patterns),
                     " namespace patterns, of which one is the root's"}));
  }
  const bool too_long = std::any_of(patterns.begin(), patterns.end(), [&](const auto& pattern) {
    return pattern.size() > limits.max_namespace_pattern_bytes;
  });
  if (!too_long) return std::nullopt;
  return ErrorAnswer(400, Concat({"a namespace pattern has at most ",
                                  std::to_string(limits.max_namespace_pattern_bytes), " bytes"}));
}

// It is kept as long as the subscription: policies that change later are asked about it.
std::optional<HttpResponse> RefuseQuery(const QueryParameters& query, const Limits& limits) {
  const std::size_t most =
      limits.max_filter_bytes + limits.max_namespace_patterns * limits.max_namespace_pattern_bytes;
  std::size_t bytes = 0;
  for (const auto& [name, value] : query) bytes += name.size() + value.size();
  if (bytes <= most) return std::nullopt;
  return ErrorAnswer(
      400, Concat({"the parameters of a subscription may have ", std::to_string(most), " bytes"}));
}

struct SubscribeParams {
  std::string type_pattern;
  std::vector<std::string> namespace_patterns;
  bus::Format format = bus::Format::kProtobuf;
  std::shared_ptr<const bus::Filter> filter;  // Shared with the bus.
};

// `path` is the subscription's, canonical, without "/v1/".
std::variant<SubscribeParams, HttpResponse> ParseSubscribeParams(std::string_view path,
                                                                 const HttpRequest& request,
                                                                 const Limits& limits) {
  SubscribeParams wanted;
  const std::string_view rest = path.substr(kPath.size() - kRoot.size());
  wanted.type_pattern = WithoutPrefix(rest, "/");
  if (wanted.type_pattern.empty()) {
    return ErrorAnswer(400, "did not specify eventType to subscribe to");
  }
  if (std::optional<HttpResponse> refusal = RefuseEventType(wanted.type_pattern, limits)) {
    return *std::move(refusal);
  }
  wanted.namespace_patterns = NamespacePatterns(request.query);
  if (std::optional<HttpResponse> refusal =
          RefuseNamespacePatterns(wanted.namespace_patterns, limits)) {
    return *std::move(refusal);
  }
  if (const std::string* json = request.Query("json"); json != nullptr && !json->empty()) {
    const std::optional<bool> value = ParseBool(*json);
    if (!value) return ErrorAnswer(400, Concat({"invalid parameter for JSON: ", *json}));
    if (*value) wanted.format = bus::Format::kCloudEventsJson;
  }
  const std::string* text = request.Query("filter");
  if (text != nullptr && !Stripped(*text).empty()) {
    absl::StatusOr<std::shared_ptr<const bus::Filter>> filter =
        bus::Filter::Parse(Stripped(*text), limits);
    if (!filter.ok()) {
      return ErrorAnswer(400, Concat({"invalid filter: ", ToStd(filter.status().message())}));
    }
    wanted.filter = *std::move(filter);
  }
  if (std::optional<HttpResponse> refusal = RefuseQuery(request.query, limits)) {
    return *std::move(refusal);
  }
  return wanted;
}

// The token that the subscriber means. A client that adds a header at each reconnect means the
// last; one that sends two at once is answered by the first.
std::variant<Authenticated, HttpResponse> AuthenticateSubscriber(
    const access::Authorizer& authorizer, const HttpRequest& request) {
  std::variant<Authenticated, HttpResponse> first = Authenticate(authorizer, TokenOf(request));
  const std::string_view last = request.LastHeader("X-Vault-Token");
  if (std::holds_alternative<Authenticated>(first) || last.empty()) return first;
  std::variant<Authenticated, HttpResponse> second = Authenticate(authorizer, last);
  return std::holds_alternative<Authenticated>(second) ? std::move(second) : std::move(first);
}

// The token's verdict on events.
class TokenEventAuthorizer final : public bus::EventAuthorizer {
 public:
  explicit TokenEventAuthorizer(std::unique_ptr<access::EventAuthorizer> event_authorizer)
      : event_authorizer_(std::move(event_authorizer)) {}
  std::uint64_t Refresh() override { return event_authorizer_->Refresh(); }
  bool Allows(std::string_view path, std::string_view type) override {
    return event_authorizer_->Allows(path, type);
  }

 private:
  const std::unique_ptr<access::EventAuthorizer> event_authorizer_;
};

// Who subscribes, and the right that it needs for that as long as it is subscribed.
struct Permission {
  const access::Authorizer* authorizer = nullptr;
  access::Identity identity;
  access::Capability capability = access::Capability::kRead;
  std::string path;
  boost::json::object parameters;

  bool Holds() const {
    return authorizer->Allows(identity,
                              {.capability = capability, .path = path, .parameters = &parameters});
  }
  std::unique_ptr<bus::EventAuthorizer> NewEventAuthorizer() const {
    return std::make_unique<TokenEventAuthorizer>(authorizer->EventAuthorizerOf(identity));
  }
};

// For whoever sends. As long as it is kept, it ends the subscriber when the token ends or the right
// to subscribe goes, and lets no policy change return while something that it forbids may still
// leave.
class WatchingAuthorizer final : public bus::EventAuthorizer {
 public:
  // nullptr when the token has ended already.
  static std::unique_ptr<WatchingAuthorizer> Of(const std::shared_ptr<const Permission>& permission,
                                                const std::shared_ptr<Subscriber>& subscriber) {
    auto event_authorizer = std::make_unique<WatchingAuthorizer>(permission->NewEventAuthorizer());
    event_authorizer->token_ = permission->authorizer->Watch(
        permission->identity, [subscriber](std::string_view reason) { subscriber->End(reason); });
    if (event_authorizer->token_ == nullptr) return nullptr;
    event_authorizer->policies_ = permission->authorizer->WatchPolicies([permission, subscriber] {
      if (permission->Holds()) {
        subscriber->AwaitSending();
      } else {
        subscriber->End("permission to subscribe was taken away");
      }
    });
    return event_authorizer;
  }

  explicit WatchingAuthorizer(std::unique_ptr<bus::EventAuthorizer> event_authorizer)
      : event_authorizer_(std::move(event_authorizer)) {}
  std::uint64_t Refresh() override { return event_authorizer_->Refresh(); }
  bool Allows(std::string_view path, std::string_view type) override {
    return event_authorizer_->Allows(path, type);
  }

 private:
  const std::unique_ptr<bus::EventAuthorizer> event_authorizer_;
  // Shared with the stores, see Authorizer::Watch.
  std::shared_ptr<const void> token_;
  std::shared_ptr<const void> policies_;
};

std::string CleanPattern(std::string_view pattern) {
  std::vector<std::string_view> segments;
  for (std::string_view segment : Split(pattern, '/')) {
    if (segment.empty() || segment == ".") continue;
    if (segment == "..") {
      if (!segments.empty()) segments.pop_back();
      continue;
    }
    segments.push_back(segment);
  }
  std::string clean;
  for (std::string_view segment : segments) {
    if (!clean.empty()) clean += '/';
    clean += segment;
  }
  return clean;
}

}  // namespace

std::optional<HttpResponse> RefuseEventType(std::string_view type, const Limits& limits) {
  if (type.size() <= limits.max_event_type_bytes) return std::nullopt;
  return ErrorAnswer(400, Concat({"an event type has at most ",
                                  std::to_string(limits.max_event_type_bytes), " bytes"}));
}

bool IsSubscribePath(std::string_view path) {
  return path.starts_with(kPath) && (path.size() == kPath.size() || path[kPath.size()] == '/');
}

std::vector<std::string> NamespacePatterns(const QueryParameters& query) {
  std::vector<std::string> patterns = {""};
  for (const auto& [name, value] : query) {
    if (name != "namespaces") continue;
    std::string pattern = CleanPattern(Stripped(value));
    if (!pattern.empty()) patterns.push_back(std::move(pattern));
  }
  return patterns;
}

boost::json::object SubscribeParameters(const QueryParameters& query) {
  std::map<std::string, boost::json::array> values;
  for (const auto& [name, value] : query) {
    const std::string lower = Lower(name);
    if (lower == "namespaces" || lower == "json" || lower == "filter") continue;
    values[name].emplace_back(value);
  }
  const std::vector<std::string> namespaces = NamespacePatterns(query);
  for (auto it = namespaces.begin() + 1; it != namespaces.end(); ++it) {
    values["namespaces"].emplace_back(*it);
  }
  if (const std::string* json = FirstValue(query, "json"); json != nullptr && !json->empty()) {
    const std::optional<bool> value = ParseBool(*json);
    values["json"].emplace_back(!value ? *json : *value ? "true" : "false");
  }
  const std::string* filter = FirstValue(query, "filter");
  if (filter != nullptr && !Stripped(*filter).empty()) {
    values["filter"].emplace_back(std::string(Stripped(*filter)));
  }
  boost::json::object parameters;
  for (auto& [name, all] : values) {
    if (all.size() == 1) {
      parameters[name] = std::move(all.front());
    } else {
      parameters[name] = std::move(all);
    }
  }
  return parameters;
}

SubscribeResult OpenSubscription(const Dependencies& dependencies, const HttpRequest& request,
                                 std::shared_ptr<Subscriber> subscriber) {
  if (std::optional<HttpResponse> refusal = RefuseTarget(request, dependencies.limits)) {
    return *std::move(refusal);
  }
  if (std::optional<HttpResponse> refusal = RefuseNamespace(request)) return *std::move(refusal);
  // Any PATCH will be refused below, not only one without a merge patch.
  const std::variant<mounts::Operation, HttpResponse> operation =
      request.method == "PATCH" ? mounts::Operation::kPatch : OperationOf(request);
  if (const auto* refusal = std::get_if<HttpResponse>(&operation)) return *refusal;
  // Whatever the operation, a subscription lists nothing.
  std::optional<std::string> path =
      CanonicalPath(std::string_view(request.path).substr(kRoot.size()), mounts::Operation::kRead);
  if (!path) return NamelessAnswer();
  if (std::optional<HttpResponse> refusal = RefuseWrapping(request)) return *std::move(refusal);
  const access::Authorizer* const authorizer = dependencies.authorizer;
  std::variant<Authenticated, HttpResponse> caller = AuthenticateSubscriber(*authorizer, request);
  if (auto* refusal = std::get_if<HttpResponse>(&caller)) return std::move(*refusal);
  // Shared with the policies' watcher.
  const auto permission = std::make_shared<const Permission>(
      Permission{.authorizer = authorizer,
                 .identity = std::move(std::get<Authenticated>(caller).identity),
                 .capability = CapabilityFor(std::get<mounts::Operation>(operation)),
                 .path = *path,
                 .parameters = SubscribeParameters(request.query)});
  if (!permission->Holds()) return Denied();
  std::variant<SubscribeParams, HttpResponse> parsed =
      ParseSubscribeParams(*path, request, dependencies.limits);
  if (auto* refusal = std::get_if<HttpResponse>(&parsed)) return std::move(*refusal);
  if (std::optional<HttpResponse> refusal = RefuseHandshake(request)) return *std::move(refusal);

  std::unique_ptr<bus::EventAuthorizer> event_authorizer =
      WatchingAuthorizer::Of(permission, subscriber);
  if (event_authorizer == nullptr) return InvalidToken();
  // What changed before it was watched.
  if (!permission->Holds()) return Denied();
  auto& wanted = std::get<SubscribeParams>(parsed);
  return OpenedSubscription{.subscription = dependencies.bus->Subscribe(
                                {.type_pattern = std::move(wanted.type_pattern),
                                 .namespace_patterns = std::move(wanted.namespace_patterns),
                                 .filter = std::move(wanted.filter),
                                 .format = wanted.format,
                                 .event_authorizer = permission->NewEventAuthorizer(),
                                 .sink = std::move(subscriber)}),
                            .format = wanted.format,
                            .event_authorizer = std::move(event_authorizer)};
}

}  // namespace belfry::api
