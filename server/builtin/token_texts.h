#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/limits.h"
#include "server/access/role.h"
#include "server/access/token.h"
#include "server/builtin/call.h"
#include "server/builtin/fields.h"

namespace belfry::builtin {

// Tokens and roles as auth/token speaks of them. Pure functions, thread-safe.
// (vault-api-and-events 8.3)

// An answer of the mount of tokens.
Answer TokenData(const Call& call, std::string data, std::vector<std::string> warnings = {});

// 400 for what the client can fix, else 500.
Answer TokenFailure(const absl::Status& status);

// What a request to create a token asks for.
access::TokenRequest ParseTokenRequest(const Call& call);

// The "auth" of an answer that hands a token out. `secret` may be empty: whoever asked by accessor
// does not get it.
std::string AuthObject(const access::TokenEntry& entry, std::string_view secret,
                       absl::Duration ttl);

// What a look-up tells, at `now`.
std::string TokenObject(const access::TokenEntry& entry, std::string_view secret, absl::Time now);

// Takes what is given over into `role`, and adds to the warnings what is ignored, or has no effect
// within `limits`. InvalidArgument
// for what is not supported.
absl::Status ChangeRole(const Fields& fields, const Limits& limits, access::TokenRole* role,
                        std::vector<std::string>* warnings);

std::string RoleObject(const access::TokenRole& role);

}  // namespace belfry::builtin
