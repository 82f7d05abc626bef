#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/access/role.h"
#include "server/storage/storage.h"

namespace belfry::access {

// The roles that tokens are made with. Nothing is kept in memory: a role is asked for when a token
// is made or renewed, not when it is used. Thread-safe; may block as long as storage does.
class RoleStore {
 public:
  // `storage` must outlive the store.
  explicit RoleStore(storage::Storage* storage) : storage_(storage) {}

  // In lexical order.
  absl::StatusOr<std::vector<std::string>> Names() const;
  // nullopt: there is none. DataLoss when what is stored cannot be read.
  absl::StatusOr<std::optional<TokenRole>> Find(std::string_view name) const;
  // InvalidArgument as CheckRole.
  absl::Status Put(TokenRole role);
  // OK when there was none.
  absl::Status Delete(std::string_view name);

 private:
  storage::Storage* const storage_;
};

}  // namespace belfry::access
