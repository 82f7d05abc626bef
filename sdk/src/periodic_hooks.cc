#include "sdk/src/periodic_hooks.h"

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "sdk/src/guard.h"
#include "sdk/src/reserved_keys.h"

namespace belfry::internal {
namespace {

// Hosts tick about once a minute, whatever becomes of the plugin meanwhile.
constexpr absl::Duration kTick = absl::Minutes(1);

std::string RecordKey() {
  return Concat({kReservedFolder, "every"});
}

std::string Format(absl::Time time) {
  return absl::FormatTime(absl::RFC3339_full, time, absl::UTCTimeZone());
}

}  // namespace

void PeriodicHooks::Add(absl::Duration period, Hook hook) {
  const auto same = std::count_if(hooks_.begin(), hooks_.end(),
                                  [period](const auto& other) { return other->period == period; });
  auto periodic = std::make_unique<Periodic>();
  periodic->name = Concat({absl::FormatDuration(period), "#", std::to_string(same)});
  periodic->period = period;
  periodic->hook = std::move(hook);
  hooks_.push_back(std::move(periodic));
}

bool PeriodicHooks::Periodic::IsKept() const {
  return period > kTick;
}

bool PeriodicHooks::Periodic::Begin(absl::Time now) {
  MutexLock lock(&mutex);
  if (running || now < last + period) return false;
  running = true;
  return true;
}

void PeriodicHooks::Periodic::End() {
  MutexLock lock(&mutex);
  running = false;
}

void PeriodicHooks::Periodic::Ran(absl::Time when) {
  MutexLock lock(&mutex);
  last = when;
}

absl::Status PeriodicHooks::RunDue(absl::Time now, HookContext& context) {
  absl::Status first = Load(now, context.storage);
  if (!first.ok()) return first;
  for (const auto& periodic : hooks_) {
    if (!periodic->Begin(now)) continue;
    const absl::Status status = RunOne(*periodic, now, context);
    periodic->End();
    first.Update(status);
  }
  return first;
}

absl::Status PeriodicHooks::RunOne(Periodic& periodic, absl::Time now, HookContext& context) {
  absl::Status failed = Guarded("a hook of Every", [&] { return periodic.hook(context); });
  if (!failed.ok()) return failed;
  periodic.Ran(now);
  return periodic.IsKept() ? Keep(periodic, now, context.storage) : absl::OkStatus();
}

absl::Status PeriodicHooks::Load(absl::Time now, Storage& storage) {
  MutexLock lock(&record_mutex_);
  const bool kept = std::any_of(hooks_.begin(), hooks_.end(),
                                [](const auto& periodic) { return periodic->IsKept(); });
  if (loaded_ || !kept) return absl::OkStatus();
  const absl::StatusOr<std::optional<std::string>> stored = storage.Get(RecordKey());
  if (!stored.ok()) return stored.status();
  loaded_ = true;
  // What cannot be read is as if nothing had run yet.
  const absl::StatusOr<Json> record = Json::Parse(stored->value_or("{}"));
  for (const auto& periodic : hooks_) {
    const Json* when = record.ok() ? record->Find(periodic->name) : nullptr;
    absl::Time last;
    std::string error;
    if (when == nullptr || when->if_string() == nullptr || !periodic->IsKept() ||
        !absl::ParseTime(absl::RFC3339_full, *when->if_string(), &last, &error)) {
      continue;
    }
    // A clock that was set back must not put off what is due.
    last = std::min(last, now);
    record_[periodic->name] = last;
    periodic->Ran(last);
  }
  return absl::OkStatus();
}

absl::Status PeriodicHooks::Keep(const Periodic& periodic, absl::Time when, Storage& storage) {
  MutexLock lock(&record_mutex_);
  record_[periodic.name] = when;
  Json::Object record;
  for (const auto& [name, last] : record_) record[name] = Format(last);
  return storage.Put(RecordKey(), Json(std::move(record)).Dump());
}

}  // namespace belfry::internal
