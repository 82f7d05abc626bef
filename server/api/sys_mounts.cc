#include "server/api/sys_mounts.h"

#include <memory>
#include <utility>
#include <vector>

#include "base/strings.h"
#include "base/text.h"
#include "server/api/json_text.h"
#include "server/api/mount_entries.h"
#include "server/api/responses.h"

namespace belfry::api {
namespace {

using mounts::Operation;

constexpr std::string_view kMounts = "sys/mounts/";
constexpr std::string_view kTune = "/tune";

HttpResponse MountFailure(const absl::Status& status) {
  if (absl::IsResourceExhausted(status)) return BusyAnswer(ToStd(status.message()));
  return ErrorAnswer(status.code() == absl::StatusCode::kInternal ? 500 : 400,
                     ToStd(status.message()));
}

HttpResponse EnableMount(const Dependencies& dependencies, const Call& call) {
  const std::string_view path = WithoutPrefix(call.path, kMounts);
  absl::StatusOr<mounts::MountEntry> entry = ParseMountRequest(path, call.fields);
  if (!entry.ok()) return MountFailure(entry.status());
  const absl::Status enabled = dependencies.mounts->Enable(*std::move(entry));
  return enabled.ok() ? Done(call, call.fields) : MountFailure(enabled);
}

// "secret/" of "sys/mounts/secret" and of "sys/mounts/secret/tune".
std::string MountPath(const Call& call) {
  const std::string_view path = WithoutSuffix(WithoutPrefix(call.path, kMounts), kTune);
  return Concat({path, path.ends_with("/") ? "" : "/"});
}

HttpResponse DisableMount(const Dependencies& dependencies, const Call& call) {
  const absl::Status disabled = dependencies.mounts->Disable(MountPath(call));
  return disabled.ok() ? NoContent() : MountFailure(disabled);
}

HttpResponse NoSuchMount(std::string_view path) {
  return ErrorAnswer(400, Concat({"No secret engine mount at ", path}));
}

HttpResponse TuneMount(const Dependencies& dependencies, const Call& call) {
  TuneRequest request = ParseTuneRequest(call.fields);
  absl::StatusOr<std::vector<std::string>> warnings =
      dependencies.mounts->Tune(MountPath(call), request.tuning);
  if (absl::IsNotFound(warnings.status())) return NoSuchMount(MountPath(call));
  if (!warnings.ok()) return MountFailure(warnings.status());
  // What it says of fields that are not known is more than that they were ignored.
  for (std::string& ignored : request.warnings) warnings->push_back(std::move(ignored));
  return Done(call, Fields(), *std::move(warnings));
}

HttpResponse ReadMount(const Dependencies& dependencies, const Call& call, bool tuning) {
  const std::string path = MountPath(call);
  for (const std::shared_ptr<const mounts::Mount>& mount : dependencies.mounts->List()) {
    if (mount->entry.path != path) continue;
    const std::string data =
        tuning ? TuningObject(*mount) : MountObject(*mount, MountDetail::kAsConfigured);
    return InjectedAnswer({.request_id = call.id, .data = data, .mount_type = "system"});
  }
  return NoSuchMount(path);
}

}  // namespace

bool IsMountsPath(std::string_view path) {
  return path.starts_with(kMounts);
}

void AnswerMounts(const Dependencies& dependencies, Call call, Respond respond) {
  const bool tune = call.path.ends_with(kTune);
  if (call.operation == Operation::kRead) {
    respond(ReadMount(dependencies, call, tune));
  } else if (call.operation == Operation::kUpdate) {
    AnswerOnPluginExecutor(dependencies, std::move(call), std::move(respond),
                           tune ? &TuneMount : &EnableMount);
  } else if (call.operation == Operation::kDelete && !tune) {
    AnswerOnPluginExecutor(dependencies, std::move(call), std::move(respond), &DisableMount);
  } else {
    respond(UnsupportedOperation());
  }
}

}  // namespace belfry::api
