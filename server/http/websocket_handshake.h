#pragma once

#include <optional>
#include <string>

#include "absl/time/time.h"
#include "server/api/http_message.h"

namespace belfry::http {

// The opening handshake of a WebSocket (RFC 6455, 4.2). Pure functions, thread-safe.

// Whether a WebSocket is asked for, as one has to or not.
bool AsksForWebSocket(const api::HttpRequest& request);

// What to answer when the request is no handshake: 426, 405 or 400; 403 when a page of another
// origin sent it. In the order and the words of Vault. (vault-api-and-events 3.2)
std::optional<api::HttpResponse> RefuseHandshake(const api::HttpRequest& request);

// The 101 that a request gets which is one, as it goes out, with the empty line at its end.
std::string SwitchingProtocols(const api::HttpRequest& request, absl::Time now);

}  // namespace belfry::http
