#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "server/access/authorizer.h"
#include "server/builtin/answer.h"
#include "server/builtin/fields.h"
#include "server/mounts/engine.h"

namespace belfry::builtin {

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
  bool subscribes = false;    // It asks for a subscription.
  std::string remote_address;
};

// Who has turns with others where requests wait: a token with all of its requests, or an address.
std::string_view OwnerOf(const Call& call);

// The capability that an operation needs.
access::Capability CapabilityFor(mounts::Operation operation);

// Whether the policies allow a request with these parameters (a JSON object or "null", as text).
// False when they cannot be read.
bool MayAsk(const access::Authorizer& authorizer, const access::Identity& identity,
            access::Capability capability, std::string_view path, std::string_view parameters);

// Whether the policies allow the call: a write creates what is missing.
bool MayCall(const Dependencies& dependencies, const Call& call, mounts::Existence existence);

// The answer to a write that has been done: 204, or 200 where there is something to warn of.
// `fields` are those of the request; a mistyped one must not pass for one that was left out.
Answer Done(const Call& call, const Fields& fields, std::vector<std::string> warnings = {},
            std::string_view mount_type = "system");

// What to warn of fields that an endpoint does not have; nothing when there are none.
std::vector<std::string> WarningOfUnknown(const Fields& fields);

}  // namespace belfry::builtin
