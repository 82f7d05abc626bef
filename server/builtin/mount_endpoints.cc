#include "server/builtin/endpoint.h"

#include <memory>
#include <utility>
#include <vector>

#include "base/strings.h"
#include "base/text.h"
#include "server/builtin/json_text.h"
#include "server/builtin/mount_entries.h"

namespace belfry::builtin {
namespace {

using mounts::Operation;

constexpr std::string_view kMounts = "sys/mounts/";
constexpr std::string_view kTune = "/tune";

Answer MountFailure(const absl::Status& status) {
  // Aborted: the host itself has interrupted it.
  if (absl::IsResourceExhausted(status) || absl::IsAborted(status))
    return BusyAnswer(ToStd(status.message()));
  return ErrorAnswer(status.code() == absl::StatusCode::kInternal ? 500 : 400,
                     ToStd(status.message()));
}

Answer EnableMount(const Dependencies& dependencies, const Call& call) {
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

Answer DisableMount(const Dependencies& dependencies, const Call& call) {
  const absl::Status disabled = dependencies.mounts->Disable(MountPath(call));
  return disabled.ok() ? NoContent() : MountFailure(disabled);
}

Answer NoSuchMount(std::string_view path) {
  return ErrorAnswer(400, Concat({"No secret engine mount at ", path}));
}

Answer TuneMount(const Dependencies& dependencies, const Call& call) {
  TuneRequest request = ParseTuneRequest(call.fields);
  absl::StatusOr<std::vector<std::string>> warnings =
      dependencies.mounts->Tune(MountPath(call), request.tuning);
  if (absl::IsNotFound(warnings.status())) return NoSuchMount(MountPath(call));
  if (!warnings.ok()) return MountFailure(warnings.status());
  // What it says of fields that are not known is more than that they were ignored.
  for (std::string& ignored : request.warnings) warnings->push_back(std::move(ignored));
  return Done(call, Fields(), *std::move(warnings));
}

Answer ReadMount(const Dependencies& dependencies, const Call& call, bool tuning) {
  const std::string path = MountPath(call);
  for (const std::shared_ptr<const mounts::Mount>& mount : dependencies.router->List()) {
    if (mount->entry.path != path) continue;
    std::string data =
        tuning ? TuningObject(*mount) : MountObject(*mount, MountDetail::kAsConfigured);
    return InjectedAnswer({.request_id = call.id, .data = std::move(data), .mount_type = "system"});
  }
  return NoSuchMount(path);
}

// Its mount is not what was meant.
Answer RefuseToDeleteTuning(const Dependencies&, const Call&) {
  return UnsupportedOperation();
}

Answer ReadOne(const Dependencies& dependencies, const Call& call) {
  return ReadMount(dependencies, call, false);
}

Answer ReadTuning(const Dependencies& dependencies, const Call& call) {
  return ReadMount(dependencies, call, true);
}

constexpr DeclaredField kNewMount[] = {
    {"config", FieldKind::kObject},
    {"config.default_lease_ttl", FieldKind::kLeaseTime},
    {"config.force_no_cache", FieldKind::kBool},
    {"config.max_lease_ttl", FieldKind::kLeaseTime},
    {"config.plugin_version", FieldKind::kText},
    {"description", FieldKind::kText},
    {"external_entropy_access", FieldKind::kBool},
    {"local", FieldKind::kBool},
    {"options", FieldKind::kTextMap},
    {"plugin_name", FieldKind::kText},
    {"plugin_version", FieldKind::kText},
    {"seal_wrap", FieldKind::kBool},
    {"type", FieldKind::kText},
};
constexpr DeclaredField kTuning[] = {
    {"default_lease_ttl", FieldKind::kLeaseTime},
    {"description", FieldKind::kText},
    {"force_no_cache", FieldKind::kBool},
    {"max_lease_ttl", FieldKind::kLeaseTime},
    {"options", FieldKind::kTextMap},
    {"plugin_version", FieldKind::kText},
};

constexpr Endpoint kEndpoints[] = {
    {.path = "sys/mounts/*/tune",
     .operation = Operation::kRead,
     .place = Place::kHere,
     .answer = &ReadTuning},
    {.path = "sys/mounts/*/tune",
     .operation = Operation::kUpdate,
     .place = Place::kPluginExecutor,
     .fields = kTuning,
     .answer = &TuneMount},
    {.path = "sys/mounts/*/tune",
     .operation = Operation::kDelete,
     .place = Place::kHere,
     .answer = &RefuseToDeleteTuning},
    {.path = "sys/mounts/*",
     .operation = Operation::kRead,
     .place = Place::kHere,
     .answer = &ReadOne},
    {.path = "sys/mounts/*",
     .operation = Operation::kUpdate,
     .place = Place::kPluginExecutor,
     .fields = kNewMount,
     .answer = &EnableMount},
    {.path = "sys/mounts/*",
     .operation = Operation::kDelete,
     .place = Place::kPluginExecutor,
     .answer = &DisableMount},
};

}  // namespace

std::span<const Endpoint> MountEndpoints() {
  return kEndpoints;
}

}  // namespace belfry::builtin
