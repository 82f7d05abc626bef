#include <poll.h>

#include <ostream>

#include "cli/event_sink.h"
#include "cli/table.h"

namespace belfry::cli {
namespace {

// Whether nobody can read any more from the pipe or socket behind the output.
bool ReaderIsGone(const Terminal& terminal) {
  pollfd output{.fd = terminal.output_descriptor, .events = 0, .revents = 0};
  return output.fd >= 0 && ::poll(&output, 1, 0) == 1 && (output.revents & POLLERR) != 0;
}

class PrintingSink final : public EventSink {
 public:
  explicit PrintingSink(Terminal& terminal) : terminal_(terminal) {}

  absl::Status Deliver(const EventFrame& frame) override {
    *terminal_.out << Shown(frame.text);
    if (!frame.text.ends_with('\n')) *terminal_.out << '\n';
    *terminal_.out << std::flush;
    if (terminal_.out->good()) return absl::OkStatus();
    if (!ReaderIsGone(terminal_)) return absl::DataLossError("the output cannot be written");
    // That its reader goes is how a subscription is ended: no failure.
    terminal_.out->clear();
    return absl::CancelledError("nobody reads the output any more");
  }

 private:
  Terminal& terminal_;
};

}  // namespace

std::unique_ptr<EventSink> MakePrintingSink(Terminal& terminal) {
  return std::make_unique<PrintingSink>(terminal);
}

}  // namespace belfry::cli
