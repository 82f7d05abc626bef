// A request to create a token on the first line, one to change a role after it, both as JSON.

#include <algorithm>
#include <string>

#include "server/access/role.h"
#include "server/access/token.h"
#include "server/access/token_record.h"
#include "server/builtin/builtin.h"
#include "server/builtin/json_text.h"
#include "server/builtin/token_texts.h"
#include "tests/fuzz/fuzz.h"

namespace belfry::builtin {
namespace {

using access::CreatorRights;
using access::TokenEntry;
using access::TokenRole;

const TokenEntry& Creator() {
  static const auto* const kCreator =
      new TokenEntry{.id = "creator", .policies = {"app", "default", "web"}};
  return *kCreator;
}

bool CreatorHas(const std::string& policy) {
  const auto& policies = Creator().policies;
  return std::find(policies.begin(), policies.end(), policy) != policies.end();
}

std::span<const DeclaredField> FieldsOf(std::string_view path) {
  return EndpointOf(path, mounts::Operation::kUpdate)->fields;
}

void ExamineTexts(const TokenEntry& entry) {
  const std::string bytes = access::TokenToBytes(entry);
  const absl::StatusOr<TokenEntry> again = access::TokenFromBytes(bytes);
  BELFRY_CLAIM(again.ok() && access::TokenToBytes(*again) == bytes);
  const std::string auth = AuthObject(entry, "secret", entry.creation_ttl);
  BELFRY_CLAIM(Summarize(auth, kMaxReplyJsonDepth).ok());
  BELFRY_CLAIM(Summarize(TokenObject(entry, "secret", absl::UnixEpoch()), kMaxReplyJsonDepth).ok());
}

void ExamineLimits(const TokenEntry& entry) {
  BELFRY_CLAIM(!entry.root());
  BELFRY_CLAIM(entry.creation_ttl > absl::ZeroDuration());
  BELFRY_CLAIM(entry.creation_ttl <= Limits().max_lease_ttl);
  BELFRY_CLAIM(entry.explicit_max_ttl == absl::ZeroDuration() ||
               entry.creation_ttl <= entry.explicit_max_ttl);
  BELFRY_CLAIM(entry.num_uses >= 0);
  ExamineTexts(entry);
}

// Whoever has no more than some policies hands no more on.
void ExaminePlan(const access::TokenRequest& request) {
  const auto planned = access::PlanToken(Creator(), CreatorRights::kPlain, request);
  if (!planned.ok()) {
    BELFRY_CLAIM(planned.status().code() == absl::StatusCode::kInvalidArgument);
    return;
  }
  const TokenEntry& entry = planned->entry;
  BELFRY_CLAIM(std::all_of(entry.policies.begin(), entry.policies.end(), CreatorHas));
  BELFRY_CLAIM(entry.parent == "creator");
  BELFRY_CLAIM(planned->secret.empty());
  BELFRY_CLAIM(entry.period == absl::ZeroDuration());
  ExamineLimits(entry);
}

// With a role neither, but for what the role says.
void ExaminePlanWithRole(const access::TokenRequest& request, const TokenRole& role) {
  const auto planned = access::PlanToken(Creator(), CreatorRights::kPlain, request, &role);
  if (!planned.ok()) return;
  const TokenEntry& entry = planned->entry;
  BELFRY_CLAIM(role.ChoosesPolicies() ||
               std::all_of(entry.policies.begin(), entry.policies.end(), CreatorHas));
  BELFRY_CLAIM(entry.orphan() == role.orphan);
  BELFRY_CLAIM(role.num_uses == 0 || (entry.num_uses > 0 && entry.num_uses <= role.num_uses));
  ExamineLimits(entry);
}

void ExamineRole(const access::TokenRequest& request, std::string_view body) {
  const absl::StatusOr<Fields> fields = Fields::Read(FieldsOf("auth/token/roles/role"), body);
  if (!fields.ok()) {
    BELFRY_CLAIM(fields.status().code() == absl::StatusCode::kInvalidArgument);
    return;
  }
  TokenRole role{.name = "role"};
  std::vector<std::string> warnings;
  absl::Status status = ChangeRole(*fields, Limits(), &role, &warnings);
  status.Update(access::CheckRole(&role));
  if (!status.ok()) {
    BELFRY_CLAIM(status.code() == absl::StatusCode::kInvalidArgument);
    return;
  }
  const std::string bytes = access::RoleToBytes(role);
  const absl::StatusOr<TokenRole> again = access::RoleFromBytes(bytes);
  BELFRY_CLAIM(again.ok() && access::RoleToBytes(*again) == bytes);
  BELFRY_CLAIM(Summarize(RoleObject(role), kMaxReplyJsonDepth).ok());
  ExaminePlanWithRole(request, role);
}

void ExamineBodies(std::string_view token_body, std::string_view role_body) {
  Call call;
  call.path = "auth/token/create";
  absl::StatusOr<Fields> fields = Fields::Read(FieldsOf(call.path), token_body);
  if (!fields.ok()) {
    BELFRY_CLAIM(fields.status().code() == absl::StatusCode::kInvalidArgument);
    return;
  }
  call.fields = *std::move(fields);
  const access::TokenRequest request = ParseTokenRequest(call);
  ExaminePlan(request);
  ExamineRole(request, role_body);
}

}  // namespace
}  // namespace belfry::builtin

void belfry::fuzz::Examine(std::string_view input) {
  const std::string_view token_body = fuzz::TakeLine(input);
  builtin::ExamineBodies(token_body, input);
}
