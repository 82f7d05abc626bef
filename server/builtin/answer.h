#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "base/metrics.h"

namespace belfry::builtin {

// What surrounds an answer's data. (vault-api-and-events 6.1)
struct Envelope {
  std::string request_id;
  std::string lease_id;
  std::int64_t lease_duration = 0;  // Seconds.
  bool renewable = false;
  std::string data = "null";  // JSON.
  std::vector<std::string> warnings;
  std::string auth = "null";  // JSON; of an answer that hands out a token.
  std::string mount_type;
};

// What a request is answered, as a structure: bytes are made of it in one place, when nobody has to
// look into it any more.
struct Answer {
  enum class Body {
    kNone,
    kEnvelope,
    kInjected,    // The same, with the members of its data once more at the top level, where old
                  // clients read them.
    kErrors,      // {"errors": […]}, and `data` beside them unless it is empty.
    kText,        // `text`, of `content_type`.
    kSealServer,  // The server is sealed first (api::SealServer), then 204.
    kSnapshot,    // A snapshot of the storage (api::SaveSnapshot).
  };

  int status = 200;
  Body body = Body::kNone;
  Envelope envelope;
  std::vector<std::string> errors;
  std::string data;  // JSON.
  std::string content_type;
  std::string text;
  // Beside those that every answer has, or instead of them.
  std::vector<std::pair<std::string, std::string>> headers;
};

// Runs exactly once, on any thread.
using Respond = absl::AnyInvocable<void(Answer)>;

// The shapes that answers come in. Pure functions, thread-safe.

// A text of any kind.
Answer TextAnswer(int status, std::string_view content_type, std::string text);

// A JSON document; a newline is added to it.
Answer JsonAnswer(int status, std::string json);

// sys/metrics, in the format that is asked for; "" is Prometheus's, the only one there is.
Answer MetricsAnswer(Metrics& metrics, std::string_view format);

// {"errors":[text]}
Answer ErrorAnswer(int status, std::string_view text);

// 503 with Retry-After: the same request may be answered in a second.
Answer BusyAnswer(std::string_view text);

// {"errors":[]}: there is no such thing, or nothing more to say.
Answer EmptyErrorAnswer(int status);

// 204
Answer NoContent();
// Nothing but a status.
Answer StatusAnswer(int status);

// "1 error occurred:\n\t* text\n\n", which clients look for.
std::string OneError(std::string_view text);

// 405
Answer UnsupportedOperation();
// 404, of a path that none of the host's engines has.
Answer UnsupportedPath();

// 403, as for a token that is valid but may not.
Answer Denied();
// No token has the accessor that a request names.
Answer UnknownAccessor();

// 403, as for a token that there is not, or not any more. Clients log in again when they read it.
Answer InvalidToken();

// 503: no room where this would be answered.
Answer TooBusy();

// Why a subscription is not opened, as subscriptions::Open says it, or was ended.
Answer SubscriptionRefusal(const absl::Status& status);

// Why the seal, or the storage below it, refused: 400 for what was asked, 503 while it is sealed or
// takes no writes, else 500.
Answer SealRefusal(const absl::Status& status);

Answer EnvelopeAnswer(Envelope envelope);
// The same with Body::kInjected.
Answer InjectedAnswer(Envelope envelope);

}  // namespace belfry::builtin
