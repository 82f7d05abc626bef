#include "server/process/storage_health.h"

#include <string>
#include <utility>

#include "base/text.h"

namespace belfry::process {

StorageHealth::StorageHealth(Metrics* metrics, Logger logger)
    : read_only_(metrics->GetGauge(
          "belfry_storage_read_only",
          "1 once a write to the storage has failed: it takes no more until a restart.")),
      syncs_(metrics->GetCounter("belfry_storage_syncs_total",
                                 "Writes to the disk, each with one fsync.")),
      batches_(metrics->GetCounter(
          "belfry_storage_batches_total",
          "Changes that went to the disk with belfry_storage_syncs_total, each as a "
          "whole.")),
      logger_(std::move(logger)) {}

void StorageHealth::BecomeReadOnly(const absl::Status& reason) {
  {
    MutexLock lock(&mutex_);
    if (!status_.ok()) return;
    status_ = reason;
  }
  read_only_.Add(1);
  logger_.Error("the storage takes no more writes",
                {{"reason", std::string(ToStd(reason.message()))}});
}

void StorageHealth::NoteWarning(std::string_view line) {
  logger_.Warn("a warning of the storage's library", {{"line", std::string(line)}});
}

void StorageHealth::NoteSync(std::size_t batches) {
  syncs_.Add(1);
  batches_.Add(batches);
}

absl::Status StorageHealth::status() const {
  MutexLock lock(&mutex_);
  return status_;
}

}  // namespace belfry::process
