#pragma once

#include <cstddef>
#include <string_view>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "base/logging.h"
#include "base/metrics.h"
#include "base/mutex.h"

namespace belfry::process {

// What the storage says of itself: for sys/health, the log and the metrics. Thread-safe.
class StorageHealth {
 public:
  // `metrics` must outlive it.
  StorageHealth(Metrics* metrics, Logger logger);

  // From now on every write is answered with `reason`.
  void BecomeReadOnly(const absl::Status& reason);
  // What the storage's library says has gone wrong, for the log.
  void NoteWarning(std::string_view line);
  // So many batches of changes went to the disk with one fsync.
  void NoteSync(std::size_t batches);
  // OK while writes are taken; else the reason.
  absl::Status status() const;

 private:
  Gauge& read_only_;
  Counter& syncs_;
  Counter& batches_;
  const Logger logger_;
  mutable Mutex mutex_;
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace belfry::process
