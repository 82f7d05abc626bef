#pragma once

#include <cstdint>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/executor.h"
#include "base/logging.h"
#include "base/mutex.h"
#include "base/steady_time.h"
#include "server/api/body_stream.h"
#include "server/storage/snapshot.h"
#include "server/storage/snapshot_file.h"

namespace belfry::process {

// A snapshot as the bytes of its file. What became of it is in the log. Thread-safe.
class SnapshotStream final : public api::BodyStream,
                             public std::enable_shared_from_this<SnapshotStream> {
 public:
  // The clock and the executor, which reads the snapshot, must outlive it.
  SnapshotStream(std::unique_ptr<storage::Snapshot> snapshot, storage::SnapshotInfo info,
                 const Clock* clock, Executor* executor, Logger logger);
  ~SnapshotStream() override;

  void Next(Done done) override;

  // Breaks it off when its client has taken less than a piece in five seconds, so that nobody keeps
  // others from theirs. False: the client is quicker, and it goes on.
  bool GiveWay();

 private:
  enum class Part { kBegin, kEntries, kNothing };

  absl::StatusOr<std::string> Read();
  absl::StatusOr<std::string> ReadPart();

  const std::unique_ptr<storage::Snapshot> snapshot_;
  const storage::SnapshotInfo info_;
  const Clock* const clock_;
  Executor* const executor_;
  const Logger logger_;
  // Of one Next at a time.
  storage::SnapshotEncoder encoder_;
  Part part_ = Part::kBegin;
  std::uint64_t bytes_ = 0;
  Mutex mutex_;
  SteadyTime asked_ ABSL_GUARDED_BY(mutex_);
  bool gave_way_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace belfry::process
