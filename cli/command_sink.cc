#include <sys/mman.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "base/descriptor.h"
#include "base/spawn.h"
#include "cli/event_sink.h"
#include "cli/table.h"
#include "cli/text.h"

namespace belfry::cli {
namespace {

bool WriteAll(int descriptor, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(descriptor, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return false;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

// A file in memory, to be read from its beginning: unlike a pipe, it takes the whole text at once,
// also when the command does not read it.
absl::StatusOr<Descriptor> FileWith(std::string_view text) {
  Descriptor file(::memfd_create("event", MFD_CLOEXEC));
  if (!file.ok() || !WriteAll(file.get(), text) || ::lseek(file.get(), 0, SEEK_SET) != 0) {
    return absl::FailedPreconditionError(
        Concat("cannot pass the event on: ", std::strerror(errno)));
  }
  return file;
}

std::string LineOf(const EventFrame& frame) {
  return Concat(frame.text, frame.text.ends_with('\n') ? "" : "\n");
}

void SetVariable(std::string_view name, std::string_view value,
                 std::vector<std::string>* environment) {
  const std::string prefix = Concat(name, "=");
  std::erase_if(*environment, [&](const std::string& entry) { return entry.starts_with(prefix); });
  environment->push_back(prefix + std::string(value));
}

std::vector<std::string> EnvironmentOf(const EventFrame& frame) {
  std::vector<std::string> environment = OwnEnvironment();
  SetVariable("BELFRY_EVENT_TYPE", frame.event_type, &environment);
  SetVariable("BELFRY_CURSOR", frame.cursor, &environment);
  return environment;
}

int WaitFor(pid_t process) {
  int status = 0;
  while (::waitpid(process, &status, 0) < 0 && errno == EINTR) {
  }
  return status;
}

// "it exited with code 3"; empty for a success.
std::string FailureOf(int status) {
  if (WIFSIGNALED(status)) {
    const char* const name = ::sigdescr_np(WTERMSIG(status));
    return Concat("it was ended by signal ", WTERMSIG(status), " (",
                  name == nullptr ? "unknown" : name, ")");
  }
  const int code = WEXITSTATUS(status);
  return code == 0 ? "" : Concat("it exited with code ", code);
}

class CommandSink final : public EventSink {
 public:
  CommandSink(std::string command, int output)
      : arguments_{"/bin/sh", "-c", std::move(command)}, output_(output) {}

  absl::Status Deliver(const EventFrame& frame) override {
    const absl::StatusOr<Descriptor> input = FileWith(LineOf(frame));
    if (!input.ok()) return input.status();
    const absl::StatusOr<pid_t> process = Spawn({.arguments = arguments_,
                                                 .environment = EnvironmentOf(frame),
                                                 .standard_input = input->get(),
                                                 .standard_output = output_});
    if (!process.ok()) return Failed(frame, std::string(process.status().message()));
    const std::string failure = FailureOf(WaitFor(*process));
    return failure.empty() ? absl::OkStatus() : Failed(frame, failure);
  }

 private:
  static absl::Status Failed(const EventFrame& frame, std::string_view how) {
    return absl::FailedPreconditionError(
        Concat("the command of -exec failed: ", how, "; its event was of type ",
               ShownOnOneLine(frame.event_type),
               frame.cursor.empty() ? "" : ", with the cursor " + frame.cursor));
  }

  const std::vector<std::string> arguments_;
  const int output_;
};

}  // namespace

std::unique_ptr<EventSink> MakeCommandSink(std::string command, const Terminal& terminal) {
  return std::make_unique<CommandSink>(std::move(command), terminal.output_descriptor);
}

}  // namespace belfry::cli
