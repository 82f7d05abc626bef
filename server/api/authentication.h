#pragma once

#include <string>
#include <string_view>
#include <variant>

#include "server/access/authorizer.h"
#include "server/api/http_message.h"
#include "server/builtin/answer.h"

namespace belfry::api {

// A token that is valid, and who holds it.
struct Authenticated {
  std::string token;
  access::Identity identity;
};

// The first X-Vault-Token, else what Authorization bears, else "".
std::string_view TokenOf(const HttpRequest& request);

// Who holds the token, or the 403 to answer instead. Its text says "invalid token" when the token
// is unknown: clients log in again when they read that.
std::variant<Authenticated, builtin::Answer> Authenticate(const access::Authorizer& authorizer,
                                                          std::string_view token);
// The same for a request, which spends one of the token's uses.
std::variant<Authenticated, builtin::Answer> AuthenticateRequest(
    const access::Authorizer& authorizer, std::string_view token);

// The token that a subscriber means. A client that adds a header at each reconnect means the last;
// one that sends two at once is answered by the first.
std::variant<Authenticated, builtin::Answer> AuthenticateSubscriber(
    const access::Authorizer& authorizer, const HttpRequest& request);

}  // namespace belfry::api
