#include "server/plugin_host/process_pool.h"

#include <algorithm>
#include <thread>
#include <utility>

#include "absl/strings/cord.h"
#include "base/text.h"

namespace belfry::plugin_host {
namespace {

// After a crash the plugin may be started this often without having answered anything; from then on
// each start waits twice as long as the one before.
constexpr int kImmediateRestarts = 2;

// A status of its own: who drops a shared one last, ThreadSanitizer cannot see.
absl::Status CopyOf(const absl::Status& status) {
  absl::Status copy(status.code(), status.message());
  status.ForEachPayload([&copy](absl::string_view type, const absl::Cord& payload) {
    copy.SetPayload(type, payload);
  });
  return copy;
}

// "250ms"; with its unit also where there is nothing to wait for.
std::string WaitText(absl::Duration wait) {
  if (wait == absl::ZeroDuration()) return "0s";
  return absl::FormatDuration(absl::Ceil(wait, absl::Milliseconds(1)));
}

// What makes two entries the same process: all of it, in a form without ambiguity.
std::string KeyOf(const mounts::PluginEntry& entry) {
  std::string key;
  const auto add = [&key](std::string_view part) {
    key += std::to_string(part.size());
    key += ':';
    key += part;
  };
  add(mounts::PluginTypeName(entry.type));
  add(entry.name);
  add(entry.version);
  add(entry.command);
  add(entry.sha256);
  for (const std::string& argument : entry.args) add(argument);
  add("");
  for (const std::string& variable : entry.env) add(variable);
  return key;
}

}  // namespace

struct ProcessPool::Slot {
  explicit Slot(mounts::PluginEntry of) : entry(std::move(of)) {}

  const mounts::PluginEntry entry;
  Mutex starting;  // Held while a process starts, so that others wait and share it.
  mutable Mutex mutex;
  // Weak: the mounts own the process.
  std::weak_ptr<PluginProcess> shareable ABSL_GUARDED_BY(mutex);
  std::vector<std::weak_ptr<PluginProcess>> all ABSL_GUARDED_BY(mutex);
  int crashes ABSL_GUARDED_BY(mutex) = 0;
  std::string last_crash ABSL_GUARDED_BY(mutex);
  int fruitless_restarts ABSL_GUARDED_BY(mutex) = 0;
  SteadyTime next_restart ABSL_GUARDED_BY(mutex);
  // How many starts have failed, and what the last one said.
  int failed_starts ABSL_GUARDED_BY(mutex) = 0;
  absl::Status last_failure ABSL_GUARDED_BY(mutex);

  std::shared_ptr<PluginProcess> Shareable() const {
    MutexLock lock(&mutex);
    std::shared_ptr<PluginProcess> process = shareable.lock();
    return process != nullptr && process->running() ? process : nullptr;
  }

  // Counts a start after a crash, or says that it is too early for one.
  absl::Status CountRestart(SteadyTime now, const Limits& limits) {
    MutexLock lock(&mutex);
    if (now < next_restart) {
      return absl::UnavailableError(
          Concat({"the plugin \"", entry.name, "\" has crashed and was restarted ",
                  std::to_string(fruitless_restarts),
                  " times without answering a request; it is tried again in ",
                  WaitText(next_restart - now)}));
    }
    if (++fruitless_restarts > kImmediateRestarts) {
      absl::Duration wait = limits.plugin_min_restart_delay;
      for (int i = kImmediateRestarts + 1;
           i < fruitless_restarts && wait < limits.plugin_max_restart_delay; ++i)
        wait *= 2;
      next_restart = now + std::min(wait, limits.plugin_max_restart_delay);
    }
    return absl::OkStatus();
  }

  void Answered() {
    MutexLock lock(&mutex);
    fruitless_restarts = 0;
    next_restart = SteadyTime::InfinitePast();
  }

  int FailedStarts() const {
    MutexLock lock(&mutex);
    return failed_starts;
  }

  // The failure of a start since `before` was counted; OK when none has failed.
  absl::Status FailureSince(int before) const {
    MutexLock lock(&mutex);
    if (failed_starts == before) return absl::OkStatus();
    return CopyOf(last_failure);
  }

  void NoteFailure(const absl::Status& failure) {
    MutexLock lock(&mutex);
    ++failed_starts;
    last_failure = CopyOf(failure);
  }

  void Crashed(const ExitStatus& status) {
    MutexLock lock(&mutex);
    ++crashes;
    last_crash = Describe(status);
  }

  void Add(const std::shared_ptr<PluginProcess>& process) {
    MutexLock lock(&mutex);
    std::erase_if(all, [](const std::weak_ptr<PluginProcess>& other) { return other.expired(); });
    all.push_back(process);
    if (process->multiplexes()) shareable = process;
  }
};

ProcessPool::ProcessPool(SocketDirectory* sockets, const Clock* clock, Limits limits,
                         OnCrash on_crash, Logger logger)
    : sockets_(sockets),
      clock_(clock),
      limits_(std::move(limits)),
      on_crash_(std::move(on_crash)),
      logger_(std::move(logger)),
      ends_(NewElasticPool(1, 0)) {}

ProcessPool::~ProcessPool() = default;

std::shared_ptr<ProcessPool::Slot> ProcessPool::SlotOf(const mounts::PluginEntry& entry) {
  std::string key = KeyOf(entry);
  MutexLock lock(&mutex_);
  std::erase_if(slots_, [](const auto& known) { return known.second.expired(); });
  std::weak_ptr<Slot>& known = slots_[std::move(key)];
  std::shared_ptr<Slot> slot = known.lock();
  if (slot == nullptr) {
    slot = std::make_shared<Slot>(entry);
    known = slot;
  }
  return slot;
}

std::shared_ptr<const void> ProcessPool::Record(const mounts::PluginEntry& entry) {
  return SlotOf(entry);
}

absl::StatusOr<std::shared_ptr<PluginProcess>> ProcessPool::Acquire(const PluginProgram& program,
                                                                    StartReason reason) {
  const std::shared_ptr<Slot> slot = SlotOf(program.entry);
  const int failed_before = slot->FailedStarts();
  MutexLock one_at_a_time(&slot->starting);
  if (std::shared_ptr<PluginProcess> running = slot->Shareable()) return running;
  // It failed while this one waited: waiting as long for the next would not help.
  if (absl::Status failed = slot->FailureSince(failed_before); !failed.ok()) return failed;
  if (reason == StartReason::kCrash) {
    if (absl::Status early = slot->CountRestart(clock_->Steady(), limits_); !early.ok())
      return early;
  }
  absl::StatusOr<std::shared_ptr<PluginProcess>> started = Start(program, slot, reason);
  if (!started.ok()) slot->NoteFailure(started.status());
  if (started.ok() && reason == StartReason::kCrash) LogRestart(*slot, **started);
  return started;
}

void ProcessPool::LogRestart(const Slot& slot, const PluginProcess& process) const {
  int attempt = 0;
  absl::Duration wait;
  {
    MutexLock lock(&slot.mutex);
    attempt = slot.fruitless_restarts;
    wait = std::max(slot.next_restart - clock_->Steady(), absl::ZeroDuration());
  }
  logger_.Info("plugin restarted", {{"plugin", slot.entry.name},
                                    {"pid", std::to_string(process.pid())},
                                    {"attempt", std::to_string(attempt)},
                                    {"next_attempt_after", WaitText(wait)}});
}

absl::StatusOr<std::shared_ptr<PluginProcess>> ProcessPool::Start(const PluginProgram& program,
                                                                  const std::shared_ptr<Slot>& slot,
                                                                  StartReason reason) {
  PluginProcess::Observer observer{
      .on_first_answer = [slot] { slot->Answered(); },
      .on_crash =
          [this, slot](const ExitStatus& status) {
            slot->Crashed(status);
            on_crash_(slot->entry, status);
          },
  };
  absl::StatusOr<std::unique_ptr<PluginProcess>> started =
      Launch(program, std::move(observer), reason);
  if (!started.ok()) return started.status();
  // Shared by the mounts that it serves.
  const std::shared_ptr<PluginProcess> process = *std::move(started);
  slot->Add(process);
  return process;
}

absl::StatusOr<std::unique_ptr<PluginProcess>> ProcessPool::Launch(const PluginProgram& program,
                                                                   PluginProcess::Observer observer,
                                                                   StartReason reason) {
  // Requests that wait for a restart after a crash are told more: InstanceSlot explains what is
  // Unavailable.
  const absl::Status no_more_starts(
      reason == StartReason::kCrash ? absl::StatusCode::kUnavailable : absl::StatusCode::kAborted,
      "the server is stopping");
  if (stopping_) return no_more_starts;
  std::atomic<std::size_t>& under_way =
      reason == StartReason::kCrash ? crash_starts_ : requested_starts_;
  absl::StatusOr<std::unique_ptr<PluginProcess>> started = absl::ResourceExhaustedError(
      Concat({std::to_string(limits_.max_plugin_starts_at_once),
              " plugins are being started at this moment, which is the limit; try again"}));
  if (++under_way <= limits_.max_plugin_starts_at_once) {
    started = PluginProcess::Start(program, sockets_, &running_, limits_, std::move(observer),
                                   clock_->Now(), logger_);
  }
  --under_way;
  // What was starting has been killed.
  if (!started.ok() && stopping_) return no_more_starts;
  return started;
}

void ProcessPool::StopStarting() {
  stopping_ = true;
  running_.KillStarting();
}

void ProcessPool::KillSilent() {
  std::vector<std::thread> looking;
  for (const std::shared_ptr<Slot>& slot : Slots()) {
    for (std::shared_ptr<PluginProcess>& process : Held(*slot))
      looking.emplace_back([process = std::move(process)] { process->KillIfSilent(); });
  }
  for (std::thread& one : looking) one.join();
}

std::vector<std::shared_ptr<ProcessPool::Slot>> ProcessPool::Slots() const {
  std::vector<std::shared_ptr<Slot>> slots;
  MutexLock lock(&mutex_);
  for (const auto& [key, known] : slots_) {
    if (std::shared_ptr<Slot> slot = known.lock()) slots.push_back(std::move(slot));
  }
  return slots;
}

std::vector<std::shared_ptr<PluginProcess>> ProcessPool::Held(const Slot& slot) const {
  std::vector<std::shared_ptr<PluginProcess>> held;
  MutexLock lock(&slot.mutex);
  for (const std::weak_ptr<PluginProcess>& process : slot.all) {
    if (std::shared_ptr<PluginProcess> still = process.lock()) held.push_back(std::move(still));
  }
  return held;
}

// These may be the last references.
void ProcessPool::LetGo(std::vector<std::shared_ptr<PluginProcess>> held) const {
  ends_->PostAlways([held = std::move(held)]() mutable { held.clear(); });
}

void ProcessPool::Retire(std::string_view plugin) {
  for (const std::shared_ptr<Slot>& slot : Slots()) {
    if (slot->entry.name != plugin) continue;
    MutexLock slot_lock(&slot->mutex);
    slot->shareable.reset();
  }
}

// A plugin has one slot for each of its programs that runs or was tried last.
std::vector<mounts::PluginProcesses> ProcessPool::Processes() const {
  std::map<std::pair<std::string, std::string>, mounts::PluginProcesses> plugins;
  for (const std::shared_ptr<Slot>& slot : Slots()) {
    mounts::PluginProcesses& one = plugins[{slot->entry.name, slot->entry.version}];
    {
      MutexLock lock(&slot->mutex);
      one.name = slot->entry.name;
      one.version = slot->entry.version;
      one.crashes += slot->crashes;
      if (!slot->last_crash.empty()) one.last_crash = slot->last_crash;
      one.fruitless_restarts = std::max(one.fruitless_restarts, slot->fruitless_restarts);
      one.next_restart =
          std::max(one.next_restart, clock_->Now() + (slot->next_restart - clock_->Steady()));
    }
    std::vector<std::shared_ptr<PluginProcess>> held = Held(*slot);
    for (const std::shared_ptr<PluginProcess>& process : held) {
      if (process->running()) one.running.push_back(process->Description());
    }
    LetGo(std::move(held));
  }
  std::vector<mounts::PluginProcesses> list;
  for (auto& [name_and_version, one] : plugins) list.push_back(std::move(one));
  return list;
}

}  // namespace belfry::plugin_host
