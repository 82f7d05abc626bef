#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/metrics.h"
#include "base/mutex.h"
#include "server/journal/block.h"
#include "server/journal/cursor.h"
#include "server/journal/segment.h"
#include "server/storage/event_log.h"
#include "server/storage/physical_storage.h"

namespace belfry::journal {

// All events of a host in their one order, as long as they are kept. Each is stored by the write
// that stores the changes which caused it, so that after a crash there is a change with its event,
// or neither. Its records name the one before by its hash.
//
// The committing thread writes it as storage::EventLog; all other threads read. Thread-safe.
class Journal final : public storage::EventLog {
 public:
  // `storage` and `metrics` must outlive it. Nothing may be committed before Open.
  Journal(storage::PhysicalStorage* storage, Metrics* metrics, const Retention& retention);
  ~Journal() override;

  // Finds what is stored, and begins an epoch if none is. Waits for the storage, to which nothing
  // else may write meanwhile. DataLoss, with what to do, when it was damaged. To be called once.
  absl::Status Open();

  // Of every cursor of this host. From Open on.
  const std::string& epoch() const { return epoch_; }

  // What there is: the events from `first` to `last`; none when `last` is one less than `first`.
  struct Range {
    std::uint64_t first = 1;
    std::uint64_t last = 0;
  };
  Range Kept() const;

  // The next blocks that have events behind this place, from one to 16; none when there are no such
  // events. The first one begins further on where events have been deleted since. May wait for the
  // storage. DataLoss when that was damaged.
  absl::StatusOr<std::vector<BlockPtr>> Read(std::uint64_t after) const;

  // From now on this runs, on the committing thread, each time there are more events. It must not
  // block. Call it once, before anything is committed.
  void OnMore(std::function<void()> on_more) { on_more_ = std::move(on_more); }

  // What retention deletes: it is not found any more, and committing the batch deletes it from the
  // storage, with what earlier batches were to delete. nullopt: nothing is due.
  std::optional<storage::WriteBatch> TakeExpired(absl::Time now);

  void Record(storage::CommittedEvents events, storage::WriteBatch* records) override;
  void Keep(storage::CommittedEvents events) override;

 private:
  // Where the journal ends.
  struct End {
    std::uint64_t last = 0;
    std::string hash;             // Of the last block.
    std::optional<Segment> open;  // The segment that is being filled, once it has a block.
  };
  // What the write under way adds.
  struct Prepared {
    End end;
    std::vector<std::size_t> blocks;  // Events in each.
    std::optional<Segment> closed;
  };

  absl::Status OpenEpoch();
  absl::Status ReadSegments();
  absl::Status ReadOpenSegment();
  void Show() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<std::vector<storage::Entry>> ReadEntries(const std::string& after) const;
  std::vector<BlockPtr> FromTail(std::uint64_t after) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void AddToTail(Block block) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ShortenTail() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  storage::PhysicalStorage* const storage_;
  const Retention retention_;
  Gauge& first_gauge_;
  Gauge& last_gauge_;
  Gauge& bytes_gauge_;
  std::string epoch_;
  std::function<void()> on_more_;

  // Used by the committing thread only.
  End end_;
  Prepared prepared_;

  mutable Mutex mutex_;
  Range kept_ ABSL_GUARDED_BY(mutex_);
  std::deque<Segment> segments_ ABSL_GUARDED_BY(mutex_);  // Closed ones, the oldest first.
  std::uint64_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;       // Of all blocks that are kept.
  // The last blocks, so that those who follow closely read nothing from the storage.
  std::deque<BlockPtr> tail_ ABSL_GUARDED_BY(mutex_);
  std::size_t tail_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace belfry::journal
