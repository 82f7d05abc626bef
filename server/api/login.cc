#include "server/api/login.h"

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "server/builtin/token_texts.h"
#include "server/mounts/lease_terms.h"

namespace belfry::api {

using builtin::Answer;
using builtin::ErrorAnswer;
using builtin::OneError;

namespace {

// "userpass-alice" of what auth/userpass/ calls "alice".
std::string DisplayName(const mounts::MountEntry& entry, std::string_view name) {
  std::string source(mounts::GivenPath(entry.mount_class, entry.path));
  std::replace(source.begin(), source.end(), '/', '-');
  return name.empty() ? source.substr(0, source.size() - 1) : Concat({source, name});
}

access::TokenRequest TokenRequestOf(const mounts::Request& request, const mounts::MountEntry& entry,
                                    mounts::LoginGrant grant) {
  access::TokenRequest wanted;
  wanted.path = Concat({entry.path, request.path});
  wanted.policies = std::move(grant.policies);
  wanted.metadata = std::move(grant.metadata);
  wanted.display_name = DisplayName(entry, grant.display_name);
  wanted.type = std::move(grant.token_type);
  wanted.num_uses = grant.num_uses;
  wanted.ttl = grant.ttl == absl::ZeroDuration() ? entry.default_lease_ttl : grant.ttl;
  wanted.explicit_max_ttl = grant.explicit_max_ttl;
  wanted.period = grant.period;
  wanted.no_default_policy = grant.no_default_policy;
  wanted.renewable = grant.renewable;
  return wanted;
}

}  // namespace

Answer AnswerLogin(access::TokenStore* tokens, const mounts::Request& request,
                   const mounts::MountEntry& entry, const Limits& limits,
                   mounts::Response response) {
  mounts::LoginGrant& grant = *response.grant;
  // To leave them out would give the token to more than it is meant for.
  if (!grant.bound_cidrs.empty()) {
    return ErrorAnswer(
        500, OneError("tokens bound to addresses are not supported: the auth method grants one "
                      "with bound_cidrs; configure it without"));
  }
  const absl::Duration longest = mounts::LongestTtl(limits, entry, grant.max_ttl);
  absl::StatusOr<access::PlannedToken> planned =
      access::PlanLogin(TokenRequestOf(request, entry, std::move(grant)), longest, limits);
  if (!planned.ok()) return builtin::TokenFailure(planned.status());
  const auto created = tokens->Create(&*planned);
  if (!created.ok()) return builtin::TokenFailure(created.status());
  const access::TokenEntry& token = (*created)->entry;
  std::vector<std::string> warnings = std::move(response.warnings);
  for (std::string& warning : planned->warnings) warnings.push_back(std::move(warning));
  return builtin::EnvelopeAnswer(
      {.request_id = request.id,
       .data = std::move(response.data),
       .warnings = std::move(warnings),
       .auth = builtin::AuthObject(token, planned->secret, token.creation_ttl)});
}

}  // namespace belfry::api
