#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace belfry::subscriptions {
class Subscriber;
}  // namespace belfry::subscriptions

namespace belfry::api {

class BodyStream;

// Decoded, in order, repeated names kept.
using QueryParameters = std::vector<std::pair<std::string, std::string>>;

// A request as HTTP carried it, without the socket. Copies share the subscriber.
struct HttpRequest {
  std::string method;  // "GET", "LIST" …
  // Path and query as the client wrote them: "/v1/sys/events/subscribe/kv%2A?json=true".
  std::string target;
  // Its path, percent-decoded, with its leading '/': "/v1/sys/events/subscribe/kv*".
  std::string path;
  QueryParameters query;
  // In order, repeated names kept, as sent.
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  std::string remote_address;  // Without the port.
  unsigned version = 11;       // 10 or 11.
  // It came where everyone may read sys/metrics, without a token and also of a sealed server.
  bool open_metrics = false;
  // Where the events of a subscription go that the request opens; null where it can carry none.
  std::shared_ptr<subscriptions::Subscriber> subscriber;

  // The first value of that name (case-insensitive), or "".
  std::string_view Header(std::string_view name) const;
  // The last one: what a client that adds a header on each reconnect means.
  std::string_view LastHeader(std::string_view name) const;
  // The first value of a query parameter, or null.
  const std::string* Query(std::string_view name) const;
};

// Copies share the stream.
struct HttpResponse {
  int status = 200;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  std::shared_ptr<BodyStream> stream = nullptr;  // Instead of `body`, where it is not null.
};

}  // namespace belfry::api
