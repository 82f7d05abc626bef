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
constexpr absl::Duration kSlow = absl::Seconds(5);

}  // namespace

SnapshotStream::SnapshotStream(std::unique_ptr<storage::Snapshot> snapshot,
                               storage::SnapshotInfo info, const Clock* clock, Executor* executor,
                               Logger logger)
    : snapshot_(std::move(snapshot)),
      info_(std::move(info)),
      clock_(clock),
      executor_(executor),
      logger_(std::move(logger)),
      asked_(clock->Steady()) {}

SnapshotStream::~SnapshotStream() {
  const bool whole = part_ == Part::kNothing;
  logger_.Info(whole ? "sent a snapshot" : "a snapshot was broken off",
               {{"bytes", std::to_string(bytes_)}});
}

void SnapshotStream::Next(Done done) {
  {
    MutexLock lock(&mutex_);
    asked_ = clock_->Steady();
  }
  // One that has begun is not refused for those that wait.
  executor_->PostAlways([self = shared_from_this(), done = std::move(done)]() mutable {
    absl::StatusOr<std::string> piece = self->Read();
    // The client may ask for another snapshot as soon as it has the last piece.
    self.reset();
    done(std::move(piece));
  });
}

bool SnapshotStream::GiveWay() {
  MutexLock lock(&mutex_);
  if (clock_->Steady() - asked_ < kSlow) return false;
  gave_way_ = true;
  return true;
}

absl::StatusOr<std::string> SnapshotStream::Read() {
  {
    MutexLock lock(&mutex_);
    if (gave_way_) return absl::AbortedError("another snapshot has taken its place");
  }
  absl::StatusOr<std::string> piece = ReadPart();
  if (piece.ok()) {
    bytes_ += piece->size();
  } else {
    logger_.Error("a snapshot cannot be read",
                  {{"reason", std::string(ToStd(piece.status().message()))}});
  }
  return piece;
}

absl::StatusOr<std::string> SnapshotStream::ReadPart() {
  switch (part_) {
    case Part::kBegin:
      part_ = Part::kEntries;
      return encoder_.Begin(info_);
    case Part::kEntries: {
      const absl::StatusOr<std::vector<storage::Entry>> entries = snapshot_->Next(kPieceBytes);
      if (!entries.ok()) return entries.status();
      if (!entries->empty()) return encoder_.Add(*entries);
      part_ = Part::kNothing;
      return encoder_.End();
    }
    case Part::kNothing:
      break;
  }
  return "";
}

}  // namespace belfry::process
