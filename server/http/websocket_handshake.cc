#include "server/http/websocket_handshake.h"

#include <string_view>
#include <vector>

#include "absl/strings/escaping.h"
#include "base/strings.h"
#include "base/text.h"
#include "server/api/render.h"
#include "server/http/http_date.h"
#include "server/http/websocket_frames.h"

namespace belfry::http {
namespace {

api::HttpResponse TextAnswer(int status, std::string_view text) {
  return api::TextResponse(status, "text/plain; charset=utf-8", Concat({text, "\n"}));
}

api::HttpResponse Violation(int status, std::string_view text) {
  return TextAnswer(status, Concat({"WebSocket protocol violation: ", text}));
}

api::HttpResponse UpgradeRequired(std::string_view text) {
  api::HttpResponse response = Violation(426, text);
  response.headers.emplace_back("Connection", "Upgrade");
  response.headers.emplace_back("Upgrade", "websocket");
  return response;
}

std::string Quoted(std::string_view text) {
  return Concat({"\"", absl::CEscape(ToAbsl(text)), "\""});
}

std::vector<std::string_view> HeaderValues(const api::HttpRequest& request, std::string_view name) {
  std::vector<std::string_view> values;
  for (const auto& [key, value] : request.headers) {
    if (EqualIgnoringCase(key, name)) values.push_back(value);
  }
  return values;
}

// Whether one of the header's comma-separated values is `token`.
bool HeaderContains(const api::HttpRequest& request, std::string_view name,
                    std::string_view token) {
  for (std::string_view value : HeaderValues(request, name)) {
    for (std::string_view part : Split(value, ',')) {
      if (EqualIgnoringCase(Stripped(part), token)) return true;
    }
  }
  return false;
}

std::optional<api::HttpResponse> RefuseKey(const api::HttpRequest& request) {
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

// Each of them, of several.
std::optional<api::HttpResponse> RefuseOrigin(const api::HttpRequest& request) {
  const std::string_view host = request.Header("Host");
  for (const auto& [name, origin] : request.headers) {
    if (!EqualIgnoringCase(name, "Origin") || origin.empty()) continue;
    if (EqualIgnoringCase(HostOf(origin), host)) continue;
    return TextAnswer(403, Concat({"request Origin ", Quoted(origin),
                                   " is not authorized for Host ", Quoted(host)}));
  }
  return std::nullopt;
}

}  // namespace

bool AsksForWebSocket(const api::HttpRequest& request) {
  return HeaderContains(request, "Upgrade", "websocket");
}

std::optional<api::HttpResponse> RefuseHandshake(const api::HttpRequest& request) {
  if (request.version < 11) {
    return UpgradeRequired("handshake request must be at least HTTP/1.1: \"HTTP/1.0\"");
  }
  if (!HeaderContains(request, "Connection", "Upgrade")) {
    return UpgradeRequired(Concat(
        {"Connection header ", Quoted(request.Header("Connection")), " does not contain Upgrade"}));
  }
  if (!AsksForWebSocket(request)) {
    return UpgradeRequired(Concat(
        {"Upgrade header ", Quoted(request.Header("Upgrade")), " does not contain websocket"}));
  }
  if (request.method != "GET") {
    return Violation(405,
                     Concat({"handshake request method is not GET but ", Quoted(request.method)}));
  }
  if (request.Header("Sec-WebSocket-Version") != "13") {
    api::HttpResponse response =
        TextAnswer(400, Concat({"unsupported WebSocket protocol version (only 13 is supported): ",
                                Quoted(request.Header("Sec-WebSocket-Version"))}));
    response.headers.emplace_back("Sec-WebSocket-Version", "13");
    return response;
  }
  if (std::optional<api::HttpResponse> refusal = RefuseKey(request)) return refusal;
  return RefuseOrigin(request);
}

std::string SwitchingProtocols(const api::HttpRequest& request, absl::Time now) {
  std::string head =
      "HTTP/1.1 101 Switching Protocols\r\nCache-Control: no-store\r\nConnection: Upgrade\r\n"
      "Date: ";
  head += HttpDate(now);
  head += "\r\nSec-WebSocket-Accept: ";
  std::string_view key = request.Header("Sec-WebSocket-Key");
  head += AcceptKey(key);
  head +=
      "\r\nStrict-Transport-Security: max-age=31536000; includeSubDomains\r\n"
      "Upgrade: websocket\r\n\r\n";
  return head;
}

}  // namespace belfry::http
