#include "server/api/role_endpoints.h"

#include <optional>
#include <utility>
#include <vector>

#include "base/strings.h"
#include "base/text.h"
#include "server/access/role_store.h"
#include "server/api/fields.h"
#include "server/api/json_text.h"
#include "server/api/responses.h"
#include "server/api/token_texts.h"

namespace belfry::api {
namespace {

using access::TokenRole;
using mounts::Existence;
using mounts::Operation;

constexpr std::string_view kRoles = "auth/token/roles";

// Empty for the folder itself.
std::string_view NameIn(const Call& call) {
  return WithoutPrefix(std::string_view(call.path).substr(kRoles.size()), "/");
}

HttpResponse List(const Dependencies& dependencies, const Call& call) {
  const absl::StatusOr<std::vector<std::string>> names = dependencies.roles->Names();
  if (!names.ok()) return TokenFailure(names.status());
  if (names->empty()) return EmptyErrorAnswer(404);
  return TokenData(call, ObjectText().Raw("keys", ArrayText(*names)).Finish());
}

HttpResponse Write(const Dependencies& dependencies, const Call& call, TokenRole role) {
  const absl::StatusOr<Fields> fields = ReadFields(call.path, call.operation, call.data);
  if (!fields.ok()) return TokenFailure(fields.status());
  std::vector<std::string> warnings;
  role.name = NameIn(call);
  absl::Status status = ChangeRole(*fields, &role, &warnings);
  if (status.ok()) status = dependencies.roles->Put(std::move(role));
  if (!status.ok()) return TokenFailure(status);
  return Done(call, *fields, std::move(warnings), "token");
}

HttpResponse Delete(const Dependencies& dependencies, const Call& call) {
  const absl::Status status = dependencies.roles->Delete(NameIn(call));
  return status.ok() ? NoContent() : TokenFailure(status);
}

HttpResponse AnswerForRole(const Dependencies& dependencies, const Call& call,
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

HttpResponse Answer(const Dependencies& dependencies, const Call& call) {
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
  if (!access::IsRoleName(name)) return ErrorAnswer(404, OneError("unsupported path"));
  return AnswerForRole(dependencies, call, role);
}

}  // namespace

bool IsRolePath(std::string_view path) {
  return path.starts_with(kRoles) && (path.size() == kRoles.size() || path[kRoles.size()] == '/');
}

void AnswerRoles(const Dependencies& dependencies, Call call, Respond respond) {
  AnswerOnExecutor(dependencies, std::move(call), std::move(respond), &Answer);
}

}  // namespace belfry::api
