#include "server/access/role_store.h"

namespace belfry::access {

absl::StatusOr<std::vector<std::string>> RoleStore::Names() const {
  return storage_->List("");
}

absl::StatusOr<std::optional<TokenRole>> RoleStore::Find(std::string_view name) const {
  const absl::StatusOr<std::optional<std::string>> bytes = storage_->Get(name);
  if (!bytes.ok()) return bytes.status();
  if (!*bytes) return std::nullopt;
  absl::StatusOr<TokenRole> role = RoleFromBytes(**bytes);
  if (!role.ok()) return role.status();
  return *std::move(role);
}

absl::Status RoleStore::Put(TokenRole role) {
  if (absl::Status status = CheckRole(&role); !status.ok()) return status;
  return storage::Put(*storage_, role.name, RoleToBytes(role));
}

absl::Status RoleStore::Delete(std::string_view name) {
  return storage::Delete(*storage_, name);
}

}  // namespace belfry::access
