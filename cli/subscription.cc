#include "cli/subscription.h"

#include <string_view>
#include <utility>
#include <variant>

#include "cli/client.h"
#include "cli/json_text.h"
#include "cli/text.h"

namespace belfry::cli {
namespace {

constexpr int kMaxRedirects = 10;

using Socket = std::unique_ptr<WebSocket>;

// In the order of the alphabet, as Vault's client writes them.
std::string Query(const Subscription& wanted) {
  std::string query;
  if (!wanted.after.empty()) query += Concat("after=", EncodeQuery(wanted.after), "&");
  if (!wanted.filter.empty()) query += Concat("filter=", EncodeQuery(wanted.filter), "&");
  query += "json=true";
  for (const std::string& name : wanted.namespaces)
    query += Concat("&namespaces=", EncodeQuery(name));
  return query;
}

std::string ReasonsIn(const std::string& body) {
  Answer answer{.body = body};
  absl::StatusOr<boost::json::value> parsed = ParseJson(body);
  if (parsed.ok()) answer.json = *std::move(parsed);
  return answer.Reasons();
}

// What the token may lack. A server names the right no more than what it denies.
std::string RightAdvice(std::string_view type, std::string_view reasons) {
  if (reasons.find("permission denied") == std::string_view::npos ||
      reasons.find("invalid token") != std::string_view::npos) {
    return "";
  }
  return Concat("\nthe token needs \"read\" on sys/events/subscribe/", type,
                ": belfry events explain '", type, "'");
}

absl::Status Refused(const WebSocket::Refusal& refusal, const Connection& connection,
                     std::string_view type) {
  if (refusal.status == 404) {
    return absl::NotFoundError(
        "events endpoint not found; check `vault read sys/experiments` to see if an events "
        "experiment is available but disabled");
  }
  const std::string reasons = ReasonsIn(refusal.body);
  std::string advice =
      TokenAdvice(connection, refusal.status) + TlsAdvice(connection, refusal.status, refusal.body);
  if (advice.empty() && refusal.status == 403) advice = RightAdvice(type, reasons);
  const std::string text =
      Concat("failed to WebSocket dial: expected handshake response status code 101 but got ",
             refusal.status, reasons, advice);
  const bool for_now = refusal.status == 429 || refusal.status / 100 == 5;
  return for_now ? absl::AbortedError(text) : absl::FailedPreconditionError(text);
}

}  // namespace

absl::StatusOr<Socket> OpenSubscription(const Connection& connection, const Subscription& wanted,
                                        absl::Duration ping_after) {
  std::string target =
      connection.Target(Concat("sys/events/subscribe/", wanted.type), Query(wanted));
  for (int attempt = 0; attempt < kMaxRedirects; ++attempt) {
    auto opened = WebSocket::Open(connection, target, {.ping_after = ping_after});
    if (!opened.ok()) return opened.status();
    if (auto* socket = std::get_if<Socket>(&*opened)) return std::move(*socket);
    const auto& refusal = std::get<WebSocket::Refusal>(*opened);
    if (refusal.status != 307) return Refused(refusal, connection, wanted.type);
    absl::StatusOr<std::string> next = RedirectTarget(connection, refusal.location);
    if (!next.ok()) return next.status();
    target = *std::move(next);
  }
  return absl::FailedPreconditionError("too many redirects");
}

bool IsServerLost(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status);
}

}  // namespace belfry::cli
