#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace belfry::access {

// What tokens that are made with a role may have, and what they get. (vault-api-and-events 8.3)
struct TokenRole {
  std::string name;
  // When one of the four says something, it does not matter what policies the creator has.
  std::vector<std::string> allowed_policies;
  std::vector<std::string> disallowed_policies;
  std::vector<std::string> allowed_policies_glob;
  std::vector<std::string> disallowed_policies_glob;
  std::string path_suffix;  // Ends the path of its tokens.
  std::string token_type = "default-service";
  std::int64_t num_uses = 0;        // At most; 0: any number.
  absl::Duration period;            // Zero: none.
  absl::Duration explicit_max_ttl;  // Zero: none.
  // The same two under their old names, for whoever gave them so; else zero.
  absl::Duration old_period;
  absl::Duration old_explicit_max_ttl;
  bool orphan = false;
  bool renewable = true;
  bool no_default_policy = false;

  bool ChoosesPolicies() const;
};

// Whether it is letters, digits and '_', with '-' and '.' between them.
bool IsRoleName(std::string_view name);

// Puts the names of policies in order. InvalidArgument, in Vault's words, for what no role may say.
absl::Status CheckRole(TokenRole* role);

// A role as bytes for the storage, and back. DataLoss when the bytes are no role. Pure.
std::string RoleToBytes(const TokenRole& role);
absl::StatusOr<TokenRole> RoleFromBytes(std::string_view bytes);

}  // namespace belfry::access
