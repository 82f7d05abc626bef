#include "server/api/authentication.h"

#include <utility>

#include "absl/status/statusor.h"
#include "server/api/request_parsing.h"
#include "server/builtin/answer.h"

namespace belfry::api {

using builtin::Answer;
using builtin::ErrorAnswer;
using builtin::InvalidToken;

std::string_view TokenOf(const HttpRequest& request) {
  const std::string_view token = request.Header("X-Vault-Token");
  return token.empty() ? BearerToken(request) : token;
}

namespace {

std::variant<Authenticated, Answer> Known(std::string_view token,
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

std::variant<Authenticated, Answer> Authenticate(const access::Authorizer& authorizer,
                                                 std::string_view token) {
  return Known(token, authorizer.Authenticate(token));
}

std::variant<Authenticated, Answer> AuthenticateRequest(const access::Authorizer& authorizer,
                                                        std::string_view token) {
  return Known(token, authorizer.AuthenticateRequest(token));
}

std::variant<Authenticated, Answer> AuthenticateSubscriber(const access::Authorizer& authorizer,
                                                           const HttpRequest& request) {
  std::variant<Authenticated, Answer> first = Authenticate(authorizer, TokenOf(request));
  const std::string_view last = request.LastHeader("X-Vault-Token");
  if (std::holds_alternative<Authenticated>(first) || last.empty()) return first;
  std::variant<Authenticated, Answer> second = Authenticate(authorizer, last);
  return std::holds_alternative<Authenticated>(second) ? std::move(second) : std::move(first);
}

}  // namespace belfry::api
