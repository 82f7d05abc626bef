#include "server/api/token_endpoints.h"

#include <memory>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/strings.h"
#include "base/text.h"
#include "server/access/cubbyholes.h"
#include "server/access/role_store.h"
#include "server/access/token_store.h"
#include "server/api/json_text.h"
#include "server/api/responses.h"
#include "server/api/token_texts.h"

namespace belfry::api {
namespace {

using access::TokenEntry;
using access::TokenRole;
using mounts::Operation;

constexpr std::string_view kTokens = "auth/token/";
constexpr std::string_view kCreateWithRole = "auth/token/create/";
constexpr std::string_view kAnyRole = "create/*";

// A token that somebody asked about, and its secret: empty when it was named by its accessor.
struct Named {
  access::TokenStore::TokenPtr token;
  std::string secret;
};

HttpResponse DoneOr(const absl::Status& status) {
  return status.ok() ? NoContent() : TokenFailure(status);
}

HttpResponse Auth(const Call& call, const TokenEntry& entry, std::string_view secret,
                  absl::Duration ttl, std::vector<std::string> warnings) {
  const std::string auth = AuthObject(entry, secret, ttl);
  return EnvelopeAnswer({.request_id = call.id,
                         .warnings = std::move(warnings),
                         .auth = auth,
                         .mount_type = "token"});
}

Named Self(const Call& call) {
  return {call.identity.token, call.token};
}

// The one in the body, or the 400 to answer instead. Its token is null when there is none.
std::variant<Named, HttpResponse> ByToken(const Dependencies& dependencies, const Call& call) {
  Named named{.secret = call.fields.Text("token")};
  if (named.secret.empty()) return ErrorAnswer(400, "missing token ID");
  named.token = dependencies.tokens->Find(named.secret);
  return named;
}

std::variant<Named, HttpResponse> ByAccessor(const Dependencies& dependencies, const Call& call) {
  const std::string accessor = call.fields.Text("accessor");
  if (accessor.empty()) return ErrorAnswer(400, OneError("missing accessor"));
  return Named{.token = dependencies.tokens->FindByAccessor(accessor)};
}

void WarnOfMissingPolicies(const Dependencies& dependencies, const TokenEntry& entry,
                           std::vector<std::string>* warnings) {
  for (const std::string& policy : entry.policies) {
    if (dependencies.policies->Find(policy) != nullptr) continue;
    warnings->push_back(Concat({"Policy \"", policy, "\" does not exist"}));
  }
}

HttpResponse CreateWith(const Dependencies& dependencies, const Call& call, const TokenRole* role) {
  const access::TokenRequest request = ParseTokenRequest(call);
  const bool sudo =
      dependencies.authorizer->Allows(call.identity, access::Capability::kSudo, call.path);
  absl::StatusOr<access::PlannedToken> planned = access::PlanToken(
      call.identity.token->entry,
      sudo ? access::CreatorRights::kSudo : access::CreatorRights::kPlain, request, role);
  if (!planned.ok()) return TokenFailure(planned.status());
  const auto created = dependencies.tokens->Create(&*planned);
  if (!created.ok()) return TokenFailure(created.status());
  const TokenEntry& entry = (*created)->entry;
  WarnOfMissingPolicies(dependencies, entry, &planned->warnings);
  // A mistyped "policies" must not pass for a wish to have the creator's.
  for (std::string& warning : WarningOfUnknown(call.fields))
    planned->warnings.push_back(std::move(warning));
  return Auth(call, entry, planned->secret, entry.creation_ttl, std::move(planned->warnings));
}

HttpResponse Create(const Dependencies& dependencies, const Call& call) {
  return CreateWith(dependencies, call, nullptr);
}

HttpResponse CreateWithRole(const Dependencies& dependencies, const Call& call) {
  const std::string_view name = WithoutPrefix(call.path, kCreateWithRole);
  const absl::StatusOr<std::optional<TokenRole>> role = dependencies.roles->Find(name);
  if (!role.ok()) return TokenFailure(role.status());
  if (!*role) return ErrorAnswer(400, Concat({"unknown role ", name}));
  return CreateWith(dependencies, call, &**role);
}

HttpResponse Describe(const Dependencies& dependencies, const Call& call, const Named& named) {
  return TokenData(call, TokenObject(named.token->entry, named.secret, dependencies.clock->Now()));
}

HttpResponse LookUpSelf(const Dependencies& dependencies, const Call& call) {
  return Describe(dependencies, call, Self(call));
}

HttpResponse LookUp(const Dependencies& dependencies, const Call& call) {
  const std::string secret = call.fields.Text("token");
  if (secret.empty() || secret == call.token) return LookUpSelf(dependencies, call);
  const Named named{.token = dependencies.tokens->Find(secret), .secret = secret};
  return named.token == nullptr ? ErrorAnswer(403, "bad token")
                                : Describe(dependencies, call, named);
}

HttpResponse LookUpAccessor(const Dependencies& dependencies, const Call& call) {
  const std::variant<Named, HttpResponse> found = ByAccessor(dependencies, call);
  if (const auto* refusal = std::get_if<HttpResponse>(&found)) return *refusal;
  const auto& named = std::get<Named>(found);
  return named.token == nullptr ? UnknownAccessor() : Describe(dependencies, call, named);
}

HttpResponse RenewNamed(const Dependencies& dependencies, const Call& call, const Named& named) {
  const absl::Duration increment = call.fields.Duration("increment");
  const TokenEntry& entry = named.token->entry;
  std::optional<TokenRole> role;
  if (!entry.role.empty()) {
    absl::StatusOr<std::optional<TokenRole>> found = dependencies.roles->Find(entry.role);
    if (!found.ok()) return TokenFailure(found.status());
    role = *std::move(found);
    if (!role) {
      return ErrorAnswer(400, Concat({"original token role \"", entry.role,
                                      "\" could not be found, not renewing"}));
    }
  }
  auto renewed = dependencies.tokens->Renew(entry.id, increment, role ? &*role : nullptr);
  if (!renewed.ok()) return TokenFailure(renewed.status());
  const TokenEntry& now = renewed->token->entry;
  return Auth(call, now, named.secret, now.expires - *now.last_renewal,
              std::move(renewed->warnings));
}

HttpResponse RenewSelf(const Dependencies& dependencies, const Call& call) {
  return RenewNamed(dependencies, call, Self(call));
}

HttpResponse Renew(const Dependencies& dependencies, const Call& call) {
  const std::variant<Named, HttpResponse> found = ByToken(dependencies, call);
  if (const auto* refusal = std::get_if<HttpResponse>(&found)) return *refusal;
  const auto& named = std::get<Named>(found);
  return named.token == nullptr ? ErrorAnswer(400, "token not found")
                                : RenewNamed(dependencies, call, named);
}

HttpResponse RenewAccessor(const Dependencies& dependencies, const Call& call) {
  const std::variant<Named, HttpResponse> found = ByAccessor(dependencies, call);
  if (const auto* refusal = std::get_if<HttpResponse>(&found)) return *refusal;
  const auto& named = std::get<Named>(found);
  return named.token == nullptr ? UnknownAccessor() : RenewNamed(dependencies, call, named);
}

HttpResponse RevokeSelf(const Dependencies& dependencies, const Call& call) {
  return DoneOr(dependencies.tokens->Revoke(call.identity.token_id));
}

HttpResponse Revoke(const Dependencies& dependencies, const Call& call) {
  const std::variant<Named, HttpResponse> found = ByToken(dependencies, call);
  if (const auto* refusal = std::get_if<HttpResponse>(&found)) return *refusal;
  const auto& token = std::get<Named>(found).token;
  return token == nullptr ? NoContent() : DoneOr(dependencies.tokens->Revoke(token->entry.id));
}

HttpResponse RevokeOrphan(const Dependencies& dependencies, const Call& call) {
  const std::variant<Named, HttpResponse> found = ByToken(dependencies, call);
  if (const auto* refusal = std::get_if<HttpResponse>(&found)) return *refusal;
  const auto& token = std::get<Named>(found).token;
  if (token == nullptr) return ErrorAnswer(400, "token to revoke not found");
  return DoneOr(dependencies.tokens->RevokeOrphan(token->entry.id));
}

HttpResponse RevokeAccessor(const Dependencies& dependencies, const Call& call) {
  const std::variant<Named, HttpResponse> found = ByAccessor(dependencies, call);
  if (const auto* refusal = std::get_if<HttpResponse>(&found)) return *refusal;
  const auto& token = std::get<Named>(found).token;
  if (token == nullptr) return TokenData(call, "null", {"No token found with this accessor"});
  return DoneOr(dependencies.tokens->Revoke(token->entry.id));
}

HttpResponse ListAccessors(const Dependencies& dependencies, const Call& call) {
  const std::string data =
      ObjectText().Raw("keys", ArrayText(dependencies.tokens->Accessors())).Finish();
  return TokenData(call, data);
}

// Does what is done in time anyway, but for what storage would not let go of. With Vault's status,
// though it is done when it is answered.
HttpResponse Tidy(const Dependencies& dependencies, const Call& call) {
  dependencies.tokens->ExpireDue();
  const absl::Status status = dependencies.cubbyholes->DropStrays(
      [&dependencies](const std::string& id) { return dependencies.tokens->Knows(id); });
  if (!status.ok()) return TokenFailure(status);
  HttpResponse answer = TokenData(call, "null", {"what tokens have left behind has been deleted"});
  answer.status = 202;
  return answer;
}

// Where a request is answered: on the executor when storage is asked.
enum class Where { kHere, kExecutor };

struct Endpoint {
  std::string_view name;
  Operation operation;
  Where where;
  HttpResponse (*answer)(const Dependencies&, const Call&);
};

constexpr Endpoint kEndpoints[] = {
    {"accessors/", Operation::kList, Where::kExecutor, &ListAccessors},
    {"create", Operation::kUpdate, Where::kExecutor, &Create},
    {"create-orphan", Operation::kUpdate, Where::kExecutor, &Create},
    {kAnyRole, Operation::kUpdate, Where::kExecutor, &CreateWithRole},
    {"lookup", Operation::kRead, Where::kHere, &LookUp},
    {"lookup", Operation::kUpdate, Where::kHere, &LookUp},
    {"lookup-accessor", Operation::kUpdate, Where::kHere, &LookUpAccessor},
    {"lookup-self", Operation::kRead, Where::kHere, &LookUpSelf},
    {"lookup-self", Operation::kUpdate, Where::kHere, &LookUpSelf},
    {"renew", Operation::kUpdate, Where::kExecutor, &Renew},
    {"renew-accessor", Operation::kUpdate, Where::kExecutor, &RenewAccessor},
    {"renew-self", Operation::kUpdate, Where::kExecutor, &RenewSelf},
    {"revoke", Operation::kUpdate, Where::kExecutor, &Revoke},
    {"revoke-accessor", Operation::kUpdate, Where::kExecutor, &RevokeAccessor},
    {"revoke-orphan", Operation::kUpdate, Where::kExecutor, &RevokeOrphan},
    {"revoke-self", Operation::kUpdate, Where::kExecutor, &RevokeSelf},
    {"tidy", Operation::kUpdate, Where::kExecutor, &Tidy},
};

// As in the table.
std::string_view NameIn(std::string_view path) {
  const bool with_role =
      path.starts_with(kCreateWithRole) && access::IsRoleName(path.substr(kCreateWithRole.size()));
  return with_role ? kAnyRole : WithoutPrefix(path, kTokens);
}

}  // namespace

bool IsTokenPath(std::string_view path) {
  return path.starts_with(kTokens);
}

void AnswerTokens(const Dependencies& dependencies, Call call, Respond respond) {
  const std::string_view name = NameIn(call.path);
  bool is_known = false;
  for (const Endpoint& endpoint : kEndpoints) {
    if (endpoint.name != name) continue;
    is_known = true;
    if (endpoint.operation != call.operation) continue;
    if (endpoint.where == Where::kHere) return respond(endpoint.answer(dependencies, call));
    return AnswerOnExecutor(dependencies, std::move(call), std::move(respond), endpoint.answer);
  }
  respond(is_known ? UnsupportedOperation() : ErrorAnswer(404, OneError("unsupported path")));
}

}  // namespace belfry::api
