#pragma once

#include <string>
#include <string_view>

#include "absl/functional/any_invocable.h"
#include "server/access/authorizer.h"
#include "server/api/fields.h"
#include "server/api/http_message.h"
#include "server/api/outcome.h"
#include "server/mounts/engine.h"

namespace belfry::api {

struct Dependencies;

// A request whose sender is known, on its way to the endpoint that answers it.
struct Call {
  std::string id;
  mounts::Operation operation = mounts::Operation::kRead;  // A write is kUpdate.
  std::string path;                                        // As CanonicalPath makes it.
  std::string written_path;   // As the client wrote it, decoded; to say what became of it.
  std::string data = "null";  // A JSON object or null, as text.
  Fields
      fields;  // Of `data`, as the endpoint declares them; once the caller is known to be allowed.
  std::string token;
  access::Identity identity;
  bool authenticated = true;  // Else there is no identity.
  bool subscribes = false;
  std::string remote_address;
};

// The capability that an operation needs.
access::Capability CapabilityFor(mounts::Operation operation);

// Whether the policies allow a request with these parameters (a JSON object or "null", as text).
// False when they cannot be read.
bool MayAsk(const access::Authorizer& authorizer, const access::Identity& identity,
            access::Capability capability, std::string_view path, std::string_view parameters);

// Whether the policies allow the call: a write creates what is missing.
bool MayCall(const Dependencies& dependencies, const Call& call, mounts::Existence existence);

// Runs `answer` where it may wait for storage, but never for a plugin; or responds with 503 when
// too much waits there already.
void RespondOnExecutor(const Dependencies& dependencies, Respond respond,
                       absl::AnyInvocable<HttpResponse()> answer);

// The same for an endpoint.
void AnswerOnExecutor(const Dependencies& dependencies, Call call, Respond respond,
                      HttpResponse (*answer)(const Dependencies&, const Call&));

// The same for what takes long by itself.
void AnswerOnExplainExecutor(const Dependencies& dependencies, Call call, Respond respond,
                             HttpResponse (*answer)(const Dependencies&, const Call&));

// The same where it may wait for a plugin to start or to stop.
void AnswerOnPluginExecutor(const Dependencies& dependencies, Call call, Respond respond,
                            HttpResponse (*answer)(const Dependencies&, const Call&));

// The answer to a write that has been done: 204, or 200 where there is something to warn of.
// `fields` are those of the request; a mistyped one must not pass for one that was left out.
HttpResponse Done(const Call& call, const Fields& fields, std::vector<std::string> warnings = {},
                  std::string_view mount_type = "system");

// What to warn of fields that an endpoint does not have; nothing when there are none.
std::vector<std::string> WarningOfUnknown(const Fields& fields);

}  // namespace belfry::api
