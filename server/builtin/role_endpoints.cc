#include "server/builtin/endpoint.h"

#include <optional>
#include <utility>
#include <vector>

#include "base/strings.h"
#include "base/text.h"
#include "server/access/role_store.h"
#include "server/builtin/json_text.h"
#include "server/builtin/token_texts.h"

namespace belfry::builtin {
namespace {

using access::TokenRole;
using mounts::Existence;
using mounts::Operation;

constexpr std::string_view kRoles = "auth/token/roles";

constexpr DeclaredField kRole[] = {
    {"allowed_entity_aliases", FieldKind::kTextList},
    {"allowed_policies", FieldKind::kTextList},
    {"allowed_policies_glob", FieldKind::kTextList},
    {"bound_cidrs", FieldKind::kTextList},
    {"disallowed_policies", FieldKind::kTextList},
    {"disallowed_policies_glob", FieldKind::kTextList},
    {"explicit_max_ttl", FieldKind::kDuration},
    {"orphan", FieldKind::kBool},
    {"path_suffix", FieldKind::kText},
    {"period", FieldKind::kDuration},
    {"renewable", FieldKind::kBool},
    {"token_bound_cidrs", FieldKind::kTextList},
    {"token_explicit_max_ttl", FieldKind::kDuration},
    {"token_no_default_policy", FieldKind::kBool},
    {"token_num_uses", FieldKind::kNumber},
    {"token_period", FieldKind::kDuration},
    {"token_type", FieldKind::kText},
};

// Empty for the folder itself.
std::string_view NameIn(const Call& call) {
  return WithoutPrefix(std::string_view(call.path).substr(kRoles.size()), "/");
}

Answer List(const Dependencies& dependencies, const Call& call) {
  const absl::StatusOr<std::vector<std::string>> names = dependencies.roles->Names();
  if (!names.ok()) return TokenFailure(names.status());
  if (names->empty()) return EmptyErrorAnswer(404);
  return TokenData(call, ObjectText().Raw("keys", ArrayText(*names)).Finish());
}

Answer Write(const Dependencies& dependencies, const Call& call, TokenRole role) {
  const absl::StatusOr<Fields> fields = Fields::Read(kRole, call.data);
  if (!fields.ok()) return TokenFailure(fields.status());
  std::vector<std::string> warnings;
  role.name = NameIn(call);
  absl::Status status = ChangeRole(*fields, dependencies.limits, &role, &warnings);
  if (status.ok()) status = dependencies.roles->Put(std::move(role));
  if (!status.ok()) return TokenFailure(status);
  return Done(call, *fields, std::move(warnings), "token");
}

Answer Delete(const Dependencies& dependencies, const Call& call) {
  const absl::Status status = dependencies.roles->Delete(NameIn(call));
  return status.ok() ? NoContent() : TokenFailure(status);
}

Answer AnswerForRole(const Dependencies& dependencies, const Call& call,
                     const std::optional<TokenRole>& role) {
  switch (call.operation) {
    case Operation::kRead:
      return role ? TokenData(call, RoleObject(*role)) : EmptyErrorAnswer(404);
    case Operation::kUpdate:
      return Write(dependencies, call, role.value_or(TokenRole()));
    case Operation::kDelete:
      return Delete(dependencies, call);
    default:
      return UnsupportedOperation();
  }
}

Answer FindAndAnswer(const Dependencies& dependencies, const Call& call) {
  const std::string_view name = NameIn(call);
  std::optional<TokenRole> role;
  if (access::IsRoleName(name)) {
    absl::StatusOr<std::optional<TokenRole>> found = dependencies.roles->Find(name);
    if (!found.ok()) return TokenFailure(found.status());
    role = *std::move(found);
  }
  if (!MayCall(dependencies, call, role ? Existence::kExists : Existence::kMissing)) {
    return Denied();
  }
  if (name.empty()) {
    return call.operation == Operation::kList ? List(dependencies, call) : UnsupportedOperation();
  }
  if (!access::IsRoleName(name)) return UnsupportedPath();
  return AnswerForRole(dependencies, call, role);
}

constexpr Endpoint kEndpoints[] = {
    {.path = kRoles, .right = Right::kItself, .answer = &FindAndAnswer},
    {.path = "auth/token/roles/*",
     .operation = Operation::kUpdate,
     .right = Right::kItself,
     .fields = kRole,
     .answer = &FindAndAnswer},
    {.path = "auth/token/roles/*", .right = Right::kItself, .answer = &FindAndAnswer},
};

}  // namespace

std::span<const Endpoint> RoleEndpoints() {
  return kEndpoints;
}

}  // namespace belfry::builtin
