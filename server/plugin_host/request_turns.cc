#include "server/plugin_host/request_turns.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/text.h"

namespace belfry::plugin_host {

RequestTurns::Turn::~Turn() {
  if (turns_ != nullptr && bytes_ > 0) turns_->Leave(bytes_);
}

void RequestTurns::Turn::NoteAnswer(std::size_t bytes, bool accepted) const {
  turns_->paths_->Note(path_, std::max(bytes, accepted ? bytes_sent_ : 0));
}

RequestTurns::RequestTurns(std::string mount, std::shared_ptr<LargePaths> paths,
                           const Limits& limits)
    : mount_(std::move(mount)),
      paths_(std::move(paths)),
      large_bytes_(limits.large_plugin_request_bytes),
      max_bytes_(limits.max_large_bytes_under_way_per_mount),
      max_waiting_(limits.max_requests_queued_per_plugin) {}

void RequestTurns::Enter(Claim claim, Start start) {
  const std::size_t bytes = BytesOf(claim);
  if (bytes == 0) return start(Turn(this, std::move(claim.path), claim.bytes_sent, 0));
  if (std::optional<Refused> refused = Queue(std::move(claim), bytes, std::move(start)))
    refused->start(std::move(refused->why));
  StartWaiting();
}

void RequestTurns::Disable(bool disabling) {
  std::vector<Waiting> aborted;
  {
    MutexLock lock(&mutex_);
    disabling_ = disabling;
    if (disabling) aborted = waiting_.TakeIf([](const Waiting&) { return true; });
  }
  for (Waiting& waiting : aborted) waiting.start(Disabling());
}

std::size_t RequestTurns::BytesOf(const Claim& claim) const {
  const std::size_t sent = claim.bytes_sent < large_bytes_ ? 0 : claim.bytes_sent;
  return std::max(paths_->BytesOf(claim.path), sent);
}

std::optional<RequestTurns::Refused> RequestTurns::Queue(Claim claim, std::size_t bytes,
                                                         Start start) {
  MutexLock lock(&mutex_);
  if (disabling_) return Refused{std::move(start), Disabling()};
  waiting_.Add(claim.owner, {.path = std::move(claim.path),
                             .bytes_sent = claim.bytes_sent,
                             .deadline = claim.deadline,
                             .since = SteadyTime::Now(),
                             .bytes = bytes,
                             .start = std::move(start)});
  if (waiting_.size() <= max_waiting_) return std::nullopt;
  return Refused{std::move(waiting_.TakeNewestOfMost()->start), TooMany()};
}

bool RequestTurns::Fits(std::size_t bytes) const {
  return bytes_under_way_ == 0 || bytes_under_way_ + bytes <= max_bytes_;
}

void RequestTurns::Leave(std::size_t bytes) {
  {
    MutexLock lock(&mutex_);
    bytes_under_way_ -= bytes;
  }
  StartWaiting();
}

void RequestTurns::EndLate() {
  std::vector<Waiting> late;
  {
    MutexLock lock(&mutex_);
    const SteadyTime now = SteadyTime::Now();
    late = waiting_.TakeIf([now](const Waiting& waiting) { return waiting.deadline <= now; });
  }
  for (Waiting& waiting : late) waiting.start(TooLate(waiting));
}

void RequestTurns::StartWaiting() {
  {
    MutexLock lock(&mutex_);
    if (std::exchange(starting_, true)) return;
  }
  EndLate();
  for (;;) {
    std::optional<Waiting> next;
    {
      MutexLock lock(&mutex_);
      if (waiting_.Next() == nullptr || !Fits(waiting_.Next()->bytes)) {
        starting_ = false;
        return;
      }
      next = waiting_.Take();
      bytes_under_way_ += next->bytes;
    }
    next->start(Turn(this, std::move(next->path), next->bytes_sent, next->bytes));
  }
}

absl::Status RequestTurns::TooMany() const {
  return absl::ResourceExhaustedError(
      Concat({"too many large requests wait for the mount \"", mount_, "\": try again later"}));
}

absl::Status RequestTurns::TooLate(const Waiting& waiting) const {
  return absl::DeadlineExceededError(Concat(
      {"other large requests to the mount \"", mount_, "\" have taken up its turn for ",
       absl::FormatDuration(absl::Floor(SteadyTime::Now() - waiting.since, absl::Milliseconds(1))),
       ": it was not sent to the plugin; try again later"}));
}

absl::Status RequestTurns::Disabling() const {
  return absl::AbortedError(Concat({"the mount \"", mount_,
                                    "\" is being disabled: the request was not sent to its "
                                    "plugin"}));
}

}  // namespace belfry::plugin_host
