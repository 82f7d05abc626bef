#include "server/process/storage_health.h"

#include <string>
#include <utility>

#include "base/text.h"

namespace belfry::process {

StorageHealth::StorageHealth(Metrics* metrics, Logger logger)
    : read_only_(metrics->GetGauge(
          "belfry_storage_read_only",
          "1 once a write to the storage has failed: it takes no more until a restart.")),
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

absl::Status StorageHealth::status() const {
  MutexLock lock(&mutex_);
  return status_;
}

}  // namespace belfry::process
