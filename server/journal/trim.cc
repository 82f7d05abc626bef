#include "server/journal/trim.h"

#include <optional>
#include <string>
#include <utility>

namespace belfry::journal {

void Trim(Journal& journal, storage::Storage& storage, absl::Time now, const Logger& logger) {
  std::optional<storage::WriteBatch> expired = journal.TakeExpired(now);
  if (!expired) return;
  // What stays is deleted after the next start.
  storage.Commit(*std::move(expired), [logger](const absl::Status& committed) {
    if (committed.ok()) return;
    logger.Error("failed to delete old events", {{"error", std::string(committed.message())}});
  });
}

}  // namespace belfry::journal
