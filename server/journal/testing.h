#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/logging.h"
#include "base/metrics.h"
#include "server/journal/journal.h"
#include "server/journal/trim.h"
#include "server/storage/committer.h"
#include "server/storage/physical_storage.h"

namespace belfry::journal {

// A journal that is open, over a memory of its own, for tests of those who read it.
class MemoryJournal {
 public:
  // `metrics` must outlive it.
  MemoryJournal(Metrics* metrics, const Retention& retention)
      : journal_(physical_.get(), metrics, retention), opened_(journal_.Open()) {}

  Journal& journal() { return journal_; }
  const absl::Status& opened() const { return opened_; }

  absl::Status Commit(storage::AcceptedEvent event) {
    storage::WriteBatch batch;
    batch.events.push_back(std::move(event));
    return CommitAndWait(*storage_, std::move(batch));
  }
  void TrimNow(absl::Time now) { Trim(journal_, *storage_, now, Logger()); }
  // Of those that are stored.
  absl::Status SpoilOldestBlock() {
    storage::WriteBatch batch;
    batch.Put(physical_->Scan("ordered/journal/blocks/", "", 1)->front().key, "spoilt");
    storage::WriteBatch* const one = &batch;
    return physical_->Write({&one, 1});
  }

 private:
  const std::unique_ptr<storage::PhysicalStorage> physical_ = storage::NewInMemoryPhysicalStorage();
  Journal journal_;
  const absl::Status opened_;
  const std::unique_ptr<storage::Storage> storage_ =
      storage::NewCommitter(physical_.get(), nullptr, &journal_);
};

}  // namespace belfry::journal
