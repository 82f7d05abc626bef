#include "server/api/authentication.h"

#include <utility>

#include "absl/status/statusor.h"
#include "server/api/request_parsing.h"
#include "server/api/responses.h"

namespace belfry::api {

std::string_view TokenOf(const HttpRequest& request) {
  const std::string_view token = request.Header("X-Vault-Token");
  return token.empty() ? BearerToken(request) : token;
}

namespace {

std::variant<Authenticated, HttpResponse> Answered(std::string_view token,
                                                   absl::StatusOr<access::Identity> identity) {
  if (identity.ok()) return Authenticated{std::string(token), *std::move(identity)};
  switch (identity.status().code()) {
    case absl::StatusCode::kUnauthenticated:
      return InvalidToken();
    case absl::StatusCode::kPermissionDenied:
      return ErrorAnswer(403, "permission denied");
    default:
      return ErrorAnswer(500, "error validating token");
  }
}

}  // namespace

std::variant<Authenticated, HttpResponse> Authenticate(const access::Authorizer& authorizer,
                                                       std::string_view token) {
  return Answered(token, authorizer.Authenticate(token));
}

std::variant<Authenticated, HttpResponse> AuthenticateRequest(const access::Authorizer& authorizer,
                                                              std::string_view token) {
  return Answered(token, authorizer.AuthenticateRequest(token));
}

std::variant<Authenticated, HttpResponse> AuthenticateSubscriber(
    const access::Authorizer& authorizer, const HttpRequest& request) {
  std::variant<Authenticated, HttpResponse> first = Authenticate(authorizer, TokenOf(request));
  const std::string_view last = request.LastHeader("X-Vault-Token");
  if (std::holds_alternative<Authenticated>(first) || last.empty()) return first;
  std::variant<Authenticated, HttpResponse> second = Authenticate(authorizer, last);
  return std::holds_alternative<Authenticated>(second) ? std::move(second) : std::move(first);
}

}  // namespace belfry::api
