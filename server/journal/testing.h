#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
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

// Memory that can be made to fail, and counts how often it is looked through. Not thread-safe in
// these.
class TestedMemory final : public storage::PhysicalStorage {
 public:
  bool fails = false;
  mutable int scans = 0;

  absl::StatusOr<std::optional<std::string>> Get(std::string_view key) const override {
    return memory_->Get(key);
  }
  absl::StatusOr<std::vector<std::string>> List(std::string_view prefix) const override {
    return memory_->List(prefix);
  }
  absl::StatusOr<std::vector<storage::Entry>> Scan(std::string_view prefix, std::string_view after,
                                                   std::size_t limit) const override {
    ++scans;
    return memory_->Scan(prefix, after, limit);
  }
  absl::Status Write(std::span<storage::WriteBatch* const> batches) override {
    return fails ? absl::UnavailableError("no disk") : memory_->Write(batches);
  }
  std::unique_ptr<storage::Snapshot> TakeSnapshot() const override {
    return memory_->TakeSnapshot();
  }

 private:
  const std::unique_ptr<storage::PhysicalStorage> memory_ = storage::NewInMemoryPhysicalStorage();
};

// A journal that is open, over a memory of its own, for tests of those who read it.
class MemoryJournal {
 public:
  // `metrics` must outlive it.
  MemoryJournal(Metrics* metrics, const Retention& retention)
      : journal_(&physical_, metrics, retention), opened_(journal_.Open()) {}

  Journal& journal() { return journal_; }
  const absl::Status& opened() const { return opened_; }

  // How often it has looked for something that it has not in memory.
  int reads() const { return physical_.scans; }

  absl::Status Commit(storage::AcceptedEvent event) { return CommitAll({std::move(event)}); }
  absl::Status CommitAll(std::vector<storage::AcceptedEvent> events) {
    return CommitAndWait(*storage_, {.operations = {}, .events = std::move(events)});
  }
  void TrimNow(absl::Time now) { Trim(journal_, *storage_, now, Logger()); }
  // Of those that are stored.
  absl::Status SpoilOldestBlock() {
    storage::WriteBatch batch;
    batch.Put(physical_.Scan("ordered/journal/blocks/", "", 1)->front().key, "spoilt");
    storage::WriteBatch* const one = &batch;
    return physical_.Write({&one, 1});
  }

 private:
  TestedMemory physical_;
  Journal journal_;
  const absl::Status opened_;
  const std::unique_ptr<storage::Storage> storage_ =
      storage::NewCommitter(&physical_, nullptr, &journal_);
};

}  // namespace belfry::journal
