#include "cli/resuming_stream.h"

#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <ostream>
#include <utility>

#include "absl/strings/str_replace.h"
#include "cli/table.h"
#include "cli/text.h"

namespace belfry::cli {
namespace {

// Delays between attempts to connect grow up to this many times the first.
constexpr int kLongestDelay = 30;

// "… but got 503\n* Vault is sealed" as "… but got 503: Vault is sealed".
std::string OnOneLine(const absl::Status& status) {
  return ShownOnOneLine(absl::StrReplaceAll(status.message(), {{"\n* ", ": "}, {"\n", "; "}}));
}

bool MayPass(const absl::Status& status) {
  return IsServerLost(status) || absl::IsAborted(status);
}

}  // namespace

ResumingStream::ResumingStream(const Connection& connection, Subscription wanted,
                               Terminal& terminal)
    : connection_(connection),
      wanted_(std::move(wanted)),
      terminal_(terminal),
      backoff_(terminal.reconnect_delay, kLongestDelay * terminal.reconnect_delay) {}

absl::Status ResumingStream::Open() {
  auto opened = OpenSubscription(connection_, wanted_, terminal_.ping_after);
  if (!opened.ok()) return opened.status();
  socket_ = *std::move(opened);
  return absl::OkStatus();
}

absl::StatusOr<EventFrame> ResumingStream::Next() {
  for (;;) {
    if (!socket_) {
      if (absl::Status ended = Reconnect(); !ended.ok()) return ended;
    }
    absl::StatusOr<std::string> message = socket_->Next(terminal_.output_descriptor);
    if (message.ok()) {
      backoff_.Reset();
      EventFrame frame = ReadEventFrame(*std::move(message));
      if (!frame.cursor.empty()) return frame;
      return absl::FailedPreconditionError(
          "the server sends events without cursors: it cannot resume; leave -after and "
          "-cursor-file out");
    }
    if (absl::IsCancelled(message.status())) return message.status();
    socket_.reset();
    Report(message.status(), PlaceToResume());
  }
}

bool ResumingStream::Ready() {
  return socket_ && socket_->Ready();
}

absl::Status ResumingStream::Reconnect() {
  while (!socket_) {
    if (absl::Status gone = Wait(backoff_.Next()); !gone.ok()) return gone;
    if (absl::Status refused = TryToConnect(); !refused.ok()) return refused;
  }
  reported_.clear();
  return absl::OkStatus();
}

absl::Status ResumingStream::TryToConnect() {
  const absl::Status status = Open();
  if (status.ok() || !MayPass(status)) return status;
  Report(status, "trying again");
  return absl::OkStatus();
}

// Ends early when the reader of the output goes.
absl::Status ResumingStream::Wait(absl::Duration time) const {
  using Clock = std::chrono::steady_clock;
  const Clock::time_point end = Clock::now() + absl::ToChronoNanoseconds(time);
  pollfd output{.fd = terminal_.output_descriptor, .events = 0, .revents = 0};
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - Clock::now());
    const int changed = ::poll(&output, 1, static_cast<int>(std::max<long>(left.count(), 0)));
    if (changed > 0) return absl::CancelledError("nobody reads the output any more");
    if (changed == 0 || errno != EINTR) return absl::OkStatus();
  }
}

// An outage of hours is not a line for each attempt: only a new reason is said.
void ResumingStream::Report(const absl::Status& status, std::string_view what_follows) {
  std::string reason = OnOneLine(status);
  if (reason == reported_) return;
  *terminal_.err << reason << "; " << what_follows << std::endl;
  reported_ = std::move(reason);
}

std::string ResumingStream::PlaceToResume() const {
  if (wanted_.after == "earliest") return "reconnecting at the earliest event";
  if (wanted_.after == "latest")
    return "reconnecting at the latest event: those before it are missed";
  return Concat("reconnecting after ", wanted_.after);
}

}  // namespace belfry::cli
