#include "cli/follow_events.h"

#include <cstddef>
#include <memory>
#include <ostream>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "cli/command.h"
#include "cli/cursor_file.h"
#include "cli/event_frame.h"
#include "cli/event_sink.h"
#include "cli/resuming_stream.h"
#include "cli/table.h"
#include "cli/websocket.h"

namespace belfry::cli {
namespace {

// The server has ended the stream or refused it, or what was to be done with an event failed. A
// server that is lost or cannot be reached is kRequestError.
constexpr int kStreamEnded = 1;
// How many printed events may be unsaved while more of them arrive.
constexpr std::size_t kMaxUnsavedLines = 100;

int Ended(Terminal& terminal, const absl::Status& status) {
  if (absl::IsCancelled(status)) return kSuccess;
  // The program itself says why its output is lost.
  if (absl::IsDataLoss(status)) return kStreamEnded;
  return Fail(terminal, status, IsServerLost(status) ? kRequestError : kStreamEnded);
}

std::unique_ptr<EventSink> MakeSink(const FollowSettings& settings, Terminal& terminal) {
  return settings.command.empty() ? MakePrintingSink(terminal)
                                  : MakeCommandSink(settings.command, terminal);
}

// Until the connection ends.
absl::Status ShowEvents(WebSocket& socket, const FollowSettings& settings, Terminal& terminal) {
  const std::unique_ptr<EventSink> sink = MakeSink(settings, terminal);
  const bool only_print = settings.command.empty();
  for (;;) {
    absl::StatusOr<std::string> message = socket.Next(terminal.output_descriptor);
    if (!message.ok()) return message.status();
    const EventFrame frame =
        only_print ? EventFrame{.text = *std::move(message)} : ReadEventFrame(*std::move(message));
    if (absl::Status ended = sink->Deliver(frame); !ended.ok()) return ended;
  }
}

absl::Status DealWith(const EventFrame& frame, EventSink& sink, Terminal& terminal) {
  if (frame.kind == EventFrame::Kind::kBookmark) return absl::OkStatus();
  if (frame.kind == EventFrame::Kind::kGap) {
    *terminal.err << "events are missing: " << ShownOnOneLine(frame.gap_reason)
                  << "; read again what you keep" << std::endl;
  }
  return sink.Deliver(frame);
}

// Over as many connections as it takes. The file is never ahead of what was shown: a crash repeats
// events, and skips none.
absl::Status ShowResumedEvents(ResumingStream& stream, CursorFile& file,
                               const FollowSettings& settings, Terminal& terminal) {
  const std::unique_ptr<EventSink> sink = MakeSink(settings, terminal);
  // Running a command twice costs more than saving.
  const std::size_t max_unsaved = settings.command.empty() ? kMaxUnsavedLines : 1;
  for (;;) {
    if (file.unsaved() >= max_unsaved || !stream.Ready()) {
      if (absl::Status failed = file.Save(); !failed.ok()) return failed;
    }
    const absl::StatusOr<EventFrame> frame = stream.Next();
    absl::Status ended = frame.status();
    if (ended.ok()) ended = DealWith(*frame, *sink, terminal);
    if (!ended.ok()) {
      const absl::Status saved = file.Save();
      return saved.ok() ? ended : saved;
    }
    stream.Advance(frame->cursor);
    file.Set(frame->cursor);
  }
}

int FollowOneConnection(const Connection& connection, const FollowSettings& settings,
                        Terminal& terminal) {
  auto socket = OpenSubscription(connection, settings.wanted, terminal.ping_after);
  if (!socket.ok()) return Ended(terminal, socket.status());
  return Ended(terminal, ShowEvents(**socket, settings, terminal));
}

int FollowAndResume(const Connection& connection, const FollowSettings& settings,
                    Terminal& terminal) {
  CursorFile file(settings.cursor_file);
  absl::StatusOr<std::string> cursor = file.Load();
  if (!cursor.ok()) return Fail(terminal, cursor.status(), kUsageError);
  Subscription wanted = settings.wanted;
  if (!cursor->empty()) wanted.after = *std::move(cursor);
  if (wanted.after.empty()) wanted.after = "latest";
  ResumingStream stream(connection, std::move(wanted), terminal);
  if (absl::Status failed = stream.Open(); !failed.ok()) return Ended(terminal, failed);
  return Ended(terminal, ShowResumedEvents(stream, file, settings, terminal));
}

}  // namespace

int FollowEvents(const Connection& connection, const FollowSettings& settings, Terminal& terminal) {
  const bool resumes = !settings.wanted.after.empty() || !settings.cursor_file.empty();
  return resumes ? FollowAndResume(connection, settings, terminal)
                 : FollowOneConnection(connection, settings, terminal);
}

}  // namespace belfry::cli
