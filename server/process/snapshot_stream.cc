#include "server/process/snapshot_stream.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "base/text.h"

namespace belfry::process {
namespace {

// What a client that stops reading holds up is one piece.
constexpr std::size_t kPieceBytes = std::size_t{256} << 10;

class SnapshotStream final : public api::BodyStream,
                             public std::enable_shared_from_this<SnapshotStream> {
 public:
  SnapshotStream(std::unique_ptr<storage::Snapshot> snapshot, storage::SnapshotInfo info,
                 Executor* executor, Logger logger)
      : snapshot_(std::move(snapshot)),
        info_(std::move(info)),
        executor_(executor),
        logger_(std::move(logger)) {}

  void Next(Done done) override {
    // One that has begun is not refused for those that wait.
    executor_->PostAlways([self = shared_from_this(), done = std::move(done)]() mutable {
      absl::StatusOr<std::string> piece = self->Read();
      // Whoever has had the last piece may ask for another snapshot at once.
      self.reset();
      done(std::move(piece));
    });
  }

 private:
  enum class Part { kBegin, kEntries, kNothing };

  absl::StatusOr<std::string> Read() {
    switch (part_) {
      case Part::kBegin:
        part_ = Part::kEntries;
        return encoder_.Begin(info_);
      case Part::kEntries: {
        const absl::StatusOr<std::vector<storage::Entry>> entries = snapshot_->Next(kPieceBytes);
        if (!entries.ok()) {
          logger_.Error("a snapshot was broken off: the storage cannot be read",
                        {{"reason", std::string(ToStd(entries.status().message()))}});
          return entries.status();
        }
        if (!entries->empty()) return encoder_.Add(*entries);
        part_ = Part::kNothing;
        return encoder_.End();
      }
      case Part::kNothing:
        break;
    }
    return "";
  }

  const std::unique_ptr<storage::Snapshot> snapshot_;
  const storage::SnapshotInfo info_;
  Executor* const executor_;
  const Logger logger_;
  storage::SnapshotEncoder encoder_;
  Part part_ = Part::kBegin;
};

}  // namespace

std::shared_ptr<api::BodyStream> NewSnapshotStream(std::unique_ptr<storage::Snapshot> snapshot,
                                                   storage::SnapshotInfo info, Executor* executor,
                                                   Logger logger) {
  return std::make_shared<SnapshotStream>(std::move(snapshot), std::move(info), executor,
                                          std::move(logger));
}

}  // namespace belfry::process
