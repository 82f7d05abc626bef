#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "server/api/http_message.h"

namespace belfry::api {

// The shapes that answers come in. Pure functions, thread-safe.

// Any body, with the headers that every answer carries.
HttpResponse Answer(int status, std::string_view content_type, std::string body);

// A JSON document; a newline is added to it.
HttpResponse JsonAnswer(int status, std::string json);

// {"errors":[text]}
HttpResponse ErrorAnswer(int status, std::string_view text);

// 503 with Retry-After: the same request may be answered in a second.
HttpResponse BusyAnswer(std::string_view text);

// {"errors":[]}: there is no such thing, or nothing more to say.
HttpResponse EmptyErrorAnswer(int status);

// 204
HttpResponse NoContent();

// "1 error occurred:\n\t* text\n\n", which clients look for.
std::string OneError(std::string_view text);

// 405
HttpResponse UnsupportedOperation();

// 403, as for a token that is valid but may not.
HttpResponse Denied();
// No token has the accessor that a request names.
HttpResponse UnknownAccessor();

// 403, as for a token that there is not, or not any more. Clients log in again when they read it.
HttpResponse InvalidToken();

// 503: no room where this would be answered.
HttpResponse TooBusy();

// Why a subscription is not opened, as subscriptions::Prepare and PendingSubscription::Open say it.
HttpResponse SubscriptionRefused(const absl::Status& status);

// What surrounds an answer's data.
struct Envelope {
  std::string request_id;
  std::string lease_id;
  std::int64_t lease_duration = 0;  // Seconds.
  bool renewable = false;
  std::string_view data = "null";  // JSON; spliced in unchanged.
  std::vector<std::string> warnings;
  std::string_view auth = "null";  // JSON; of an answer that hands out a token.
  std::string mount_type;
};

HttpResponse EnvelopeAnswer(const Envelope& envelope);

// The same with the members of `data` once more at the top level, where old clients read them.
HttpResponse InjectedAnswer(const Envelope& envelope);

}  // namespace belfry::api
