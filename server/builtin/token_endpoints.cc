#include "server/builtin/endpoint.h"

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
#include "server/builtin/json_text.h"
#include "server/builtin/token_texts.h"

namespace belfry::builtin {
namespace {

using access::TokenEntry;
using access::TokenRole;
using mounts::Operation;

constexpr std::string_view kCreateWithRole = "auth/token/create/";

// A token that somebody asked about, and its secret: empty when it was named by its accessor.
struct Named {
  access::TokenStore::TokenPtr token;
  std::string secret;
};

Answer DoneOr(const absl::Status& status) {
  return status.ok() ? NoContent() : TokenFailure(status);
}

Answer Auth(const Call& call, const TokenEntry& entry, std::string_view secret, absl::Duration ttl,
            std::vector<std::string> warnings) {
  std::string auth = AuthObject(entry, secret, ttl);
  return EnvelopeAnswer({.request_id = call.id,
                         .warnings = std::move(warnings),
                         .auth = std::move(auth),
                         .mount_type = "token"});
}

Named Self(const Call& call) {
  return {call.identity.token, call.token};
}

// The one in the body, or the 400 to answer instead. Its token is null when there is none.
std::variant<Named, Answer> ByToken(const Dependencies& dependencies, const Call& call) {
  Named named{.secret = call.fields.Text("token")};
  if (named.secret.empty()) return ErrorAnswer(400, "missing token ID");
  named.token = dependencies.tokens->Find(named.secret);
  return named;
}

std::variant<Named, Answer> ByAccessor(const Dependencies& dependencies, const Call& call) {
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

Answer CreateWith(const Dependencies& dependencies, const Call& call, const TokenRole* role) {
  const access::TokenRequest request = ParseTokenRequest(call);
  const bool sudo =
      dependencies.authorizer->Allows(call.identity, access::Capability::kSudo, call.path);
  absl::StatusOr<access::PlannedToken> planned =
      access::PlanToken(call.identity.token->entry,
                        sudo ? access::CreatorRights::kSudo : access::CreatorRights::kPlain,
                        request, role, dependencies.limits);
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

Answer Create(const Dependencies& dependencies, const Call& call) {
  return CreateWith(dependencies, call, nullptr);
}

Answer CreateWithRole(const Dependencies& dependencies, const Call& call) {
  const std::string_view name = WithoutPrefix(call.path, kCreateWithRole);
  if (!access::IsRoleName(name)) return UnsupportedPath();
  const absl::StatusOr<std::optional<TokenRole>> role = dependencies.roles->Find(name);
  if (!role.ok()) return TokenFailure(role.status());
  if (!*role) return ErrorAnswer(400, Concat({"unknown role ", name}));
  return CreateWith(dependencies, call, &**role);
}

Answer Describe(const Dependencies& dependencies, const Call& call, const Named& named) {
  // A mistyped "token" must not pass for a question about one's own.
  return TokenData(call, TokenObject(named.token->entry, named.secret, dependencies.clock->Now()),
                   WarningOfUnknown(call.fields));
}

Answer LookUpSelf(const Dependencies& dependencies, const Call& call) {
  return Describe(dependencies, call, Self(call));
}

Answer LookUp(const Dependencies& dependencies, const Call& call) {
  const std::string secret = call.fields.Text("token");
  if (secret.empty() || secret == call.token) return LookUpSelf(dependencies, call);
  const Named named{.token = dependencies.tokens->Find(secret), .secret = secret};
  return named.token == nullptr ? ErrorAnswer(403, "bad token")
                                : Describe(dependencies, call, named);
}

Answer LookUpAccessor(const Dependencies& dependencies, const Call& call) {
  const std::variant<Named, Answer> found = ByAccessor(dependencies, call);
  if (const auto* refusal = std::get_if<Answer>(&found)) return *refusal;
  const auto& named = std::get<Named>(found);
  return named.token == nullptr ? UnknownAccessor() : Describe(dependencies, call, named);
}

Answer RenewNamed(const Dependencies& dependencies, const Call& call, const Named& named) {
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
  auto renewed =
      dependencies.tokens->Renew(entry.id, increment, role ? &*role : nullptr, dependencies.limits);
  if (!renewed.ok()) return TokenFailure(renewed.status());
  const TokenEntry& now = renewed->token->entry;
  for (std::string& warning : WarningOfUnknown(call.fields))
    renewed->warnings.push_back(std::move(warning));
  return Auth(call, now, named.secret, now.expires - *now.last_renewal,
              std::move(renewed->warnings));
}

Answer RenewSelf(const Dependencies& dependencies, const Call& call) {
  return RenewNamed(dependencies, call, Self(call));
}

Answer Renew(const Dependencies& dependencies, const Call& call) {
  const std::variant<Named, Answer> found = ByToken(dependencies, call);
  if (const auto* refusal = std::get_if<Answer>(&found)) return *refusal;
  const auto& named = std::get<Named>(found);
  return named.token == nullptr ? ErrorAnswer(400, "token not found")
                                : RenewNamed(dependencies, call, named);
}

Answer RenewAccessor(const Dependencies& dependencies, const Call& call) {
  const std::variant<Named, Answer> found = ByAccessor(dependencies, call);
  if (const auto* refusal = std::get_if<Answer>(&found)) return *refusal;
  const auto& named = std::get<Named>(found);
  return named.token == nullptr ? UnknownAccessor() : RenewNamed(dependencies, call, named);
}

Answer RevokeSelf(const Dependencies& dependencies, const Call& call) {
  return DoneOr(dependencies.tokens->Revoke(call.identity.token_id));
}

Answer Revoke(const Dependencies& dependencies, const Call& call) {
  const std::variant<Named, Answer> found = ByToken(dependencies, call);
  if (const auto* refusal = std::get_if<Answer>(&found)) return *refusal;
  const auto& token = std::get<Named>(found).token;
  return token == nullptr ? NoContent() : DoneOr(dependencies.tokens->Revoke(token->entry.id));
}

Answer RevokeOrphan(const Dependencies& dependencies, const Call& call) {
  const std::variant<Named, Answer> found = ByToken(dependencies, call);
  if (const auto* refusal = std::get_if<Answer>(&found)) return *refusal;
  const auto& token = std::get<Named>(found).token;
  if (token == nullptr) return ErrorAnswer(400, "token to revoke not found");
  return DoneOr(dependencies.tokens->RevokeOrphan(token->entry.id));
}

Answer RevokeAccessor(const Dependencies& dependencies, const Call& call) {
  const std::variant<Named, Answer> found = ByAccessor(dependencies, call);
  if (const auto* refusal = std::get_if<Answer>(&found)) return *refusal;
  const auto& token = std::get<Named>(found).token;
  if (token == nullptr) return TokenData(call, "null", {"No token found with this accessor"});
  return DoneOr(dependencies.tokens->Revoke(token->entry.id));
}

Answer ListAccessors(const Dependencies& dependencies, const Call& call) {
  std::string data = ObjectText().Raw("keys", ArrayText(dependencies.tokens->Accessors())).Finish();
  return TokenData(call, data);
}

// Does what is done in time anyway, but for what storage would not let go of. With Vault's status,
// though it is done when it is answered.
Answer Tidy(const Dependencies& dependencies, const Call& call) {
  dependencies.tokens->ExpireDue();
  const absl::Status status = dependencies.cubbyholes->DropStrays(
      [&dependencies](const std::string& id) { return dependencies.tokens->Knows(id); });
  if (!status.ok()) return TokenFailure(status);
  Answer answer = TokenData(call, "null", {"what tokens have left behind has been deleted"});
  answer.status = 202;
  return answer;
}

constexpr DeclaredField kNewToken[] = {
    {"display_name", FieldKind::kText},
    {"entity_alias", FieldKind::kText},
    {"explicit_max_ttl", FieldKind::kSignedDuration},
    {"id", FieldKind::kText},
    {"lease", FieldKind::kSignedDuration},
    {"meta", FieldKind::kTextMap},
    {"no_default_policy", FieldKind::kBool},
    {"no_parent", FieldKind::kBool},
    {"num_uses", FieldKind::kNumber},
    {"period", FieldKind::kSignedDuration},
    {"policies", FieldKind::kTextList},
    {"renewable", FieldKind::kBool},
    {"ttl", FieldKind::kSignedDuration},
    {"type", FieldKind::kText},
};
constexpr DeclaredField kToken[] = {{"token", FieldKind::kText}};
constexpr DeclaredField kAccessor[] = {{"accessor", FieldKind::kText}};
constexpr DeclaredField kIncrement[] = {{"increment", FieldKind::kDuration}};
constexpr DeclaredField kTokenAndIncrement[] = {{"increment", FieldKind::kDuration},
                                                {"token", FieldKind::kText}};
constexpr DeclaredField kAccessorAndIncrement[] = {{"accessor", FieldKind::kText},
                                                   {"increment", FieldKind::kDuration}};

// What asks storage.
constexpr Endpoint Change(std::string_view path, std::span<const DeclaredField> fields,
                          Handler answer, Right right = Right::kPolicies) {
  return {.path = path,
          .operation = Operation::kUpdate,
          .right = right,
          .fields = fields,
          .answer = answer};
}

constexpr Endpoint Question(std::string_view path, Operation operation,
                            std::span<const DeclaredField> fields, Handler answer) {
  return {.path = path,
          .operation = operation,
          .place = Place::kHere,
          .fields = fields,
          .answer = answer};
}

constexpr Endpoint kEndpoints[] = {
    {.path = "auth/token/accessors/",
     .operation = Operation::kList,
     .right = Right::kSudo,
     .answer = &ListAccessors},
    Change("auth/token/create", kNewToken, &Create),
    Change("auth/token/create-orphan", kNewToken, &Create),
    Change("auth/token/create/*", kNewToken, &CreateWithRole),
    Question("auth/token/lookup", Operation::kRead, kToken, &LookUp),
    Question("auth/token/lookup", Operation::kUpdate, kToken, &LookUp),
    Question("auth/token/lookup-accessor", Operation::kUpdate, kAccessor, &LookUpAccessor),
    Question("auth/token/lookup-self", Operation::kRead, {}, &LookUpSelf),
    Question("auth/token/lookup-self", Operation::kUpdate, {}, &LookUpSelf),
    Change("auth/token/renew", kTokenAndIncrement, &Renew),
    Change("auth/token/renew-accessor", kAccessorAndIncrement, &RenewAccessor),
    Change("auth/token/renew-self", kIncrement, &RenewSelf),
    Change("auth/token/revoke", kToken, &Revoke),
    Change("auth/token/revoke-accessor", kAccessor, &RevokeAccessor),
    Change("auth/token/revoke-orphan", kToken, &RevokeOrphan, Right::kSudo),
    Change("auth/token/revoke-self", {}, &RevokeSelf),
    Change("auth/token/tidy", {}, &Tidy),
};

}  // namespace

std::span<const Endpoint> TokenEndpoints() {
  return kEndpoints;
}

}  // namespace belfry::builtin
