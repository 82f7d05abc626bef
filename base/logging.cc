#include "base/logging.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <spdlog/logger.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/base_sink.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <limits>
#include <mutex>
#include <system_error>
#include <utility>

#include "base/escaping.h"
#include "base/strings.h"
#include "base/text.h"

namespace belfry {
namespace {

spdlog::level::level_enum SpdlogLevel(LogLevel level) {
  switch (level) {
    case LogLevel::kTrace:
      return spdlog::level::trace;
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarn:
      return spdlog::level::warn;
    case LogLevel::kError:
      return spdlog::level::err;
  }
  return spdlog::level::err;
}

std::string_view NameOf(LogLevel level) {
  switch (level) {
    case LogLevel::kTrace:
      return "trace";
    case LogLevel::kDebug:
      return "debug";
    case LogLevel::kInfo:
      return "info";
    case LogLevel::kWarn:
      return "warn";
    case LogLevel::kError:
      return "error";
  }
  return "error";
}

// As wide as the widest, so that loggers' names stand in one column.
std::string_view LevelTag(LogLevel level) {
  switch (level) {
    case LogLevel::kTrace:
      return "[TRACE] ";
    case LogLevel::kDebug:
      return "[DEBUG] ";
    case LogLevel::kInfo:
      return "[INFO]  ";
    case LogLevel::kWarn:
      return "[WARN]  ";
    case LogLevel::kError:
      return "[ERROR] ";
  }
  return "[ERROR] ";
}

bool IsKeyCharacter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '-' || c == '.' || c == '@' || c == '/';
}

// What others wrote stays on one line and cannot pass for another field: where a field begins can
// be told without knowing what it is about.

std::string KeyText(std::string_view key) {
  const bool bare = !key.empty() && std::all_of(key.begin(), key.end(), IsKeyCharacter);
  return bare ? std::string(key) : Quoted(key);
}

std::string ValueText(std::string_view value) {
  const bool bare =
      !value.empty() && value.find_first_of(" \"=") == std::string_view::npos && IsPlainText(value);
  return bare ? std::string(value) : Quoted(value);
}

// A bare message has neither '=' nor '"': the first of them belongs to the first field.
std::string MessageText(std::string_view message) {
  const bool bare = message.find_first_of("=\"") == std::string_view::npos && IsPlainText(message);
  return bare ? std::string(message) : Quoted(message);
}

std::string StandardLine(LogLevel level, std::string_view logger, std::string_view message,
                         std::span<const LogField> fields) {
  std::string line(LevelTag(level));
  if (!logger.empty()) line += Concat({KeyText(logger), ": "});
  line += MessageText(message);
  if (!fields.empty()) line += ':';
  for (const LogField& field : fields)
    line += Concat({" ", KeyText(field.key), "=", ValueText(field.value)});
  return line;
}

// An object's members behind its first one.
std::string JsonMembers(LogLevel level, std::string_view logger, std::string_view message,
                        std::span<const LogField> fields) {
  std::string line =
      Concat({"\"@level\":", JsonQuoted(NameOf(level)), ",\"@module\":", JsonQuoted(logger),
              ",\"@message\":", JsonQuoted(message)});
  for (const LogField& field : fields) {
    const std::string_view mark = field.key.starts_with('@') ? "@" : "";
    line += Concat({",", JsonQuoted(Concat({mark, field.key})), ":", JsonQuoted(field.value)});
  }
  return line;
}

// Around what the two functions above make.
constexpr std::string_view kStandardPattern = "%Y-%m-%dT%H:%M:%S.%eZ %v";
constexpr std::string_view kJsonPattern = "{\"@timestamp\":\"%Y-%m-%dT%H:%M:%S.%fZ\",%v}";

// How long a line waits for the reader of a pipe, a socket or a terminal that takes nothing; for
// some seconds after that none waits.
constexpr std::chrono::milliseconds kMaxWait{100};
constexpr std::chrono::seconds kNoWaitAfterLoss{5};

// Writes each line with one call of the system, so that lines of several processes do not mix, but
// to a pipe no more at once than it is sure to have room for. A reader that takes nothing costs
// lines, which are counted, and does not hold up the process, unless another process fills the pipe
// in the moment between the question whether there is room and the write.
class DescriptorSink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  ~DescriptorSink() override {
    if (descriptor_ != STDERR_FILENO) close(descriptor_);
  }

  absl::Status Open(const std::string& file) {
    // Not blocking: a FIFO that nobody reads is an error, and not waited for.
    const int opened =
        open(file.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0600);
    if (opened < 0) {
      const std::error_code error(errno, std::generic_category());
      return absl::InvalidArgumentError(
          Concat({"cannot open the log file ", file, ": ", error.message()}));
    }
    fcntl(opened, F_SETFL, O_APPEND);
    const std::lock_guard lock(mutex_);
    const int before = std::exchange(descriptor_, opened);
    failing_ = false;
    max_write_bytes_ = MaxWriteBytes(opened);
    if (before != STDERR_FILENO) close(before);
    return absl::OkStatus();
  }

  struct Loss {
    std::uint64_t lines = 0;
    std::string reason;
  };

  // What has been lost, once there is room for a line that says so; else no lines. After a write
  // that has failed another one has to succeed first.
  Loss LostBeforeNow() {
    const std::lock_guard lock(mutex_);
    if (lost_ == 0 || failing_ || !HasRoom(descriptor_, std::chrono::milliseconds(0))) return {};
    return {lost_, loss_reason_};
  }
  // That `lost` lines are lost has been written, unless more are lost since.
  void NoteReported(std::uint64_t lost) {
    const std::lock_guard lock(mutex_);
    if (lost_ == lost) lost_ = 0;
  }

 private:
  using Clock = std::chrono::steady_clock;

  void sink_it_(const spdlog::details::log_msg& message) override {
    spdlog::memory_buf_t formatted;
    formatter_->format(message, formatted);
    std::string_view line(formatted.data(), formatted.size());
    const Clock::time_point now = Clock::now();
    const Clock::time_point deadline = now < no_wait_until_ ? now : now + kMaxWait;
    // The end of one that was cut off.
    std::string_view end = cut_off_ ? "\n" : "";
    if (!WriteAll(end, deadline)) {
      Lose();
      return;
    }
    cut_off_ = false;
    const std::size_t size = line.size();
    if (WriteAll(line, deadline)) {
      failing_ = false;
      return;
    }
    cut_off_ = line.size() < size;
    Lose();
  }
  void flush_() override {}

  // Takes from `text` what has been written. False: there was no room until the deadline, or it
  // cannot be written.
  bool WriteAll(std::string_view& text, Clock::time_point deadline) {
    while (!text.empty()) {
      const auto left =
          std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
      if (!HasRoom(descriptor_, std::chrono::milliseconds(std::max<std::int64_t>(left, 0))))
        return TooSlow();
      const ssize_t written =
          write(descriptor_, text.data(), std::min(text.size(), max_write_bytes_));
      if (written < 0 && errno == EINTR) continue;
      // Another process has made it non-blocking, and it has less room than that.
      if (written < 0 && errno == EAGAIN) return TooSlow();
      if (written <= 0) return Failed(errno);
      text.remove_prefix(static_cast<std::size_t>(written));
    }
    return true;
  }

  bool TooSlow() {
    loss_reason_ = "their reader was too slow";
    return false;
  }

  // Of a log file, once: the lines that say so later need a disk that has room again.
  bool Failed(int error) {
    loss_reason_ = std::error_code(error, std::generic_category()).message();
    if (std::exchange(failing_, true) || descriptor_ == STDERR_FILENO) return false;
    const std::string note =
        Concat({"the log file cannot be written, its lines are lost: ", loss_reason_, "\n"});
    if (HasRoom(STDERR_FILENO, std::chrono::milliseconds(0)))
      (void)!write(STDERR_FILENO, note.data(), note.size());
    return false;
  }

  void Lose() {
    ++lost_;
    no_wait_until_ = Clock::now() + kNoWaitAfterLoss;
  }

  static bool HasRoom(int descriptor, std::chrono::milliseconds wait) {
    pollfd output{.fd = descriptor, .events = POLLOUT, .revents = 0};
    int ready = 0;
    do {
      ready = poll(&output, 1, static_cast<int>(wait.count()));
    } while (ready < 0 && errno == EINTR);
    return ready != 0;
  }
  static std::size_t MaxWriteBytes(int descriptor) {
    struct stat file {};
    const bool pipe = fstat(descriptor, &file) == 0 && S_ISFIFO(file.st_mode);
    return pipe ? PIPE_BUF : std::numeric_limits<std::size_t>::max();
  }

  // Guarded by the mutex of base_sink.
  int descriptor_ = STDERR_FILENO;
  std::size_t max_write_bytes_ = MaxWriteBytes(STDERR_FILENO);
  std::uint64_t lost_ = 0;
  std::string loss_reason_;
  bool failing_ = false;  // The last write was an error.
  bool cut_off_ = false;  // The last line that was begun has no end yet.
  Clock::time_point no_wait_until_ = Clock::time_point::min();
};

class ProcessLogImpl final : public ProcessLog {
 public:
  explicit ProcessLogImpl(const ProcessLogOptions& options)
      : format_(options.format), file_(options.file), logger_("belfry", sink_) {
    const bool json = format_ == LogFormat::kJson;
    logger_.set_level(SpdlogLevel(options.minimum));
    logger_.set_formatter(std::make_unique<spdlog::pattern_formatter>(
        std::string(json ? kJsonPattern : kStandardPattern), spdlog::pattern_time_type::utc));
  }

  void Write(LogLevel level, std::string_view logger, std::string_view message,
             std::span<const LogField> fields) override {
    if (!logger_.should_log(SpdlogLevel(level))) return;
    if (const DescriptorSink::Loss lost = sink_->LostBeforeNow(); lost.lines > 0) {
      WriteLine(LogLevel::kError, "", "log lines were lost",
                std::array{LogField{"lines", std::to_string(lost.lines)},
                           LogField{"reason", lost.reason}});
      sink_->NoteReported(lost.lines);
    }
    WriteLine(level, logger, message, fields);
  }
  void SetMinimum(LogLevel minimum) override { logger_.set_level(SpdlogLevel(minimum)); }
  absl::Status Reopen() override { return file_.empty() ? absl::OkStatus() : sink_->Open(file_); }

 private:
  void WriteLine(LogLevel level, std::string_view logger, std::string_view message,
                 std::span<const LogField> fields) {
    const std::string line = format_ == LogFormat::kJson
                                 ? JsonMembers(level, logger, message, fields)
                                 : StandardLine(level, logger, message, fields);
    logger_.log(SpdlogLevel(level), spdlog::string_view_t(line.data(), line.size()));
  }

  const LogFormat format_;
  const std::string file_;
  const std::shared_ptr<DescriptorSink> sink_ = std::make_shared<DescriptorSink>();
  spdlog::logger logger_;
};

}  // namespace

std::optional<LogLevel> LogLevelNamed(std::string_view name) {
  for (const LogLevel level :
       {LogLevel::kTrace, LogLevel::kDebug, LogLevel::kInfo, LogLevel::kWarn, LogLevel::kError}) {
    if (EqualIgnoringCase(name, NameOf(level))) return level;
  }
  return std::nullopt;
}

absl::StatusOr<std::shared_ptr<ProcessLog>> OpenProcessLog(const ProcessLogOptions& options) {
  auto log = std::make_shared<ProcessLogImpl>(options);
  if (absl::Status status = log->Reopen(); !status.ok()) return status;
  return log;
}

std::shared_ptr<LogSink> NewStderrLogSink(LogLevel minimum) {
  return std::make_shared<ProcessLogImpl>(ProcessLogOptions{.minimum = minimum});
}

Logger::Logger(std::shared_ptr<LogSink> sink, std::string name)
    : sink_(std::move(sink)), name_(std::move(name)) {}

Logger Logger::Named(std::string_view name) const {
  return Logger(sink_, name_.empty() ? std::string(name) : Concat({name_, ".", name}));
}

void Logger::Write(LogLevel level, std::string_view message,
                   std::initializer_list<LogField> fields) const {
  if (sink_) sink_->Write(level, name_, message, {fields.begin(), fields.size()});
}

void Logger::Write(LogLevel level, std::string_view message,
                   std::span<const LogField> fields) const {
  if (sink_) sink_->Write(level, name_, message, fields);
}

void Logger::Debug(std::string_view message, std::initializer_list<LogField> fields) const {
  Write(LogLevel::kDebug, message, fields);
}

void Logger::Info(std::string_view message, std::initializer_list<LogField> fields) const {
  Write(LogLevel::kInfo, message, fields);
}

void Logger::Warn(std::string_view message, std::initializer_list<LogField> fields) const {
  Write(LogLevel::kWarn, message, fields);
}

void Logger::Error(std::string_view message, std::initializer_list<LogField> fields) const {
  Write(LogLevel::kError, message, fields);
}

}  // namespace belfry
