#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "server/api/http_message.h"
#include "server/api/outcome.h"
#include "server/api/refusal_log.h"
#include "server/builtin/dependencies.h"
#include "server/builtin/json_text.h"

namespace belfry::api {

// What requests are answered with; every pointer must outlive the Api.
struct Dependencies {
  builtin::Dependencies host;
  // Shared: copies of this struct have the same.
  std::shared_ptr<RefusalLog> refusals = std::make_shared<RefusalLog>();
};

// A JSON body with more values is refused.
inline constexpr std::size_t kMaxJsonValues = builtin::kMaxRequestJsonValues;

// What is kept of a request's body before Api::RefuseEarly has been asked.
inline constexpr std::uint64_t kMaxUnaskedBodyBytes = 64 * 1024;

// The /v1 handlers: requests in, responses out. Thread-safe; knows no socket.
class Api {
 public:
  static std::unique_ptr<Api> Create(Dependencies dependencies);
  virtual ~Api() = default;

  // Answers a request, or opens the subscription that it asks for. `respond` runs possibly before
  // Handle returns.
  virtual void Handle(HttpRequest request, Respond respond) = 0;

  // What answers a request whatever its body says, so that the body need not be read: its sender
  // has no valid token or may not write there, or a body of so many bytes is too large for the
  // path. nullopt: Handle must see all of it. `head` may lack the body; `body_bytes` is what is
  // known of its length, which may turn out to be more. Waits for nothing, and spends no use of the
  // token.
  virtual std::optional<HttpResponse> RefuseEarly(const HttpRequest& head,
                                                  std::uint64_t body_bytes) const = 0;
};

}  // namespace belfry::api
