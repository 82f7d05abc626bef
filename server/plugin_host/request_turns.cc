#include "server/plugin_host/request_turns.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/text.h"

namespace belfry::plugin_host {

RequestTurns::Turn::~Turn() {
  if (turns_ != nullptr && bytes_ > 0) turns_->Leave(bytes_);
}

void RequestTurns::Turn::NoteAnswer(std::size_t bytes) const {
  if (bytes < turns_->large_bytes_) return;
  MutexLock lock(&turns_->mutex_);
  turns_->Remember(path_, bytes);
}

RequestTurns::RequestTurns(std::string mount, const Limits& limits)
    : mount_(std::move(mount)),
      large_bytes_(limits.large_plugin_request_bytes),
      max_bytes_(limits.max_large_bytes_under_way_per_mount),
      max_waiting_(limits.max_requests_queued_per_plugin),
      large_(limits.max_large_path_cache_bytes) {}

void RequestTurns::Enter(Claim claim, Start start) {
  const std::size_t bytes = BytesOf(claim);
  if (bytes == 0) return start(Turn(this, std::move(claim.path), 0));
  if (absl::Status refused = Queue(std::move(claim), bytes, &start); !refused.ok())
    return start(std::move(refused));
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

std::size_t RequestTurns::BytesOf(const Claim& claim) {
  MutexLock lock(&mutex_);
  const std::size_t sent = claim.bytes_sent < large_bytes_ ? 0 : claim.bytes_sent;
  if (sent > 0) Remember(claim.path, sent);
  const std::size_t* const known = large_.size() == 0 ? nullptr : large_.Find(claim.path);
  return known == nullptr ? sent : *known;
}

absl::Status RequestTurns::Queue(Claim claim, std::size_t bytes, Start* start) {
  MutexLock lock(&mutex_);
  if (disabling_) return Disabling();
  if (waiting_.size() >= max_waiting_) return TooMany();
  waiting_.Add(claim.owner, {.path = std::move(claim.path),
                             .deadline = claim.deadline,
                             .since = SteadyTime::Now(),
                             .bytes = bytes,
                             .start = std::move(*start)});
  return absl::OkStatus();
}

bool RequestTurns::Fits(std::size_t bytes) const {
  return bytes_under_way_ == 0 || bytes_under_way_ + bytes <= max_bytes_;
}

void RequestTurns::Remember(std::string_view path, std::size_t bytes) {
  if (std::size_t* const known = large_.Find(path)) {
    *known = std::max(*known, bytes);
  } else {
    large_.Put(path, bytes);
  }
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
    next->start(Turn(this, std::move(next->path), next->bytes));
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
