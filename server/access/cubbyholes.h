#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/clock.h"
#include "server/access/token.h"
#include "server/storage/storage.h"

namespace belfry::access {

// What tokens keep for themselves: each has a storage of its own, which ends with it. Thread-safe;
// may block as long as storage does. Codes are those of storage; Unauthenticated when the token has
// ended.
class Cubbyholes {
 public:
  // Both must outlive it.
  Cubbyholes(storage::Storage* storage, const Clock* clock) : storage_(storage), clock_(clock) {}

  absl::StatusOr<std::optional<std::string>> Get(const LiveToken& token,
                                                 std::string_view path) const;
  absl::Status Put(const LiveToken& token, std::string_view path, std::string_view value);
  absl::Status Delete(const LiveToken& token, std::string_view path);
  // As storage::Storage::List.
  absl::StatusOr<std::vector<std::string>> List(const LiveToken& token,
                                                std::string_view folder) const;

  // For a token that has ended: deletes all that it has kept. A Put that is under way meanwhile
  // deletes again what it has written, before it returns: nothing comes back.
  absl::Status Clear(const TokenEntry& token);
  // Clears those of tokens that `is_known` does not know by their id: what a process left that
  // ended before it had cleared them.
  absl::Status DropStrays(const std::function<bool(const std::string& id)>& is_known);

 private:
  storage::Storage* const storage_;
  const Clock* const clock_;
};

}  // namespace belfry::access
