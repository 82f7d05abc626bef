#pragma once

#include "absl/time/time.h"
#include "base/logging.h"
#include "server/journal/journal.h"
#include "server/storage/storage.h"

namespace belfry::journal {

// Deletes what the journal need not keep any more, as a change of its own, for which it does not
// wait: the committing thread may call it, too. `storage` is what it is the log of.
void Trim(Journal& journal, storage::Storage& storage, absl::Time now, const Logger& logger);

}  // namespace belfry::journal
