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

}  // namespace belfry::api
