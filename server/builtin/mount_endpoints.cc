#include "server/builtin/endpoint.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "base/strings.h"
#include "base/text.h"
#include "server/builtin/canonical_names.h"
#include "server/builtin/json_text.h"
#include "server/builtin/mount_entries.h"
#include "server/builtin/token_texts.h"

namespace belfry::builtin {
namespace {

using mounts::Operation;

constexpr std::string_view kMounts = "sys/mounts/";
constexpr std::string_view kAuthMounts = "sys/auth/";
constexpr std::string_view kMoves = "sys/remount/status/";

Answer MountFailure(const absl::Status& status) {
  // Aborted: the host itself has interrupted it.
  if (absl::IsResourceExhausted(status) || absl::IsAborted(status))
    return BusyAnswer(ToStd(status.message()));
  return ErrorAnswer(status.code() == absl::StatusCode::kInternal ? 500 : 400,
                     ToStd(status.message()));
}

// Whose mounts the endpoint is about: those of one class.
mounts::MountClass ClassOf(const Call& call) {
  return call.path.starts_with(kAuthMounts) ? mounts::MountClass::kAuth
                                            : mounts::MountClass::kSecret;
}

// "secret/" of "sys/mounts/secret", "auth/userpass/" of "sys/auth/userpass".
std::string MountPath(const Call& call) {
  const bool is_auth = ClassOf(call) == mounts::MountClass::kAuth;
  const std::string_view path = WithoutPrefix(call.path, is_auth ? kAuthMounts : kMounts);
  return Concat({is_auth ? mounts::kAuthPrefix : "", path, path.ends_with("/") ? "" : "/"});
}

// The same of "sys/mounts/secret/tune".
std::string TunedPath(const Call& call) {
  return std::string(WithoutSuffix(MountPath(call), "tune/"));
}

// Where its tuning, whose path is the longest one about a mount, could not be asked for: 400.
std::optional<Answer> RefuseLongMountPath(std::string_view path, const Limits& limits) {
  return RefuseLongPath(Concat({"v1/", kMounts, WithoutSuffix(path, "/"), "/tune"}), limits);
}

Answer EnableMount(const Dependencies& dependencies, const Call& call) {
  const std::string path = MountPath(call);
  if (std::optional<Answer> refusal = RefuseLongMountPath(path, dependencies.limits))
    return *std::move(refusal);
  absl::StatusOr<mounts::MountEntry> entry =
      ParseMountRequest(dependencies.limits, ClassOf(call), path, call.fields);
  if (!entry.ok()) return MountFailure(entry.status());
  const absl::Status enabled = dependencies.mounts->Enable(*std::move(entry));
  return enabled.ok() ? Done(call, call.fields) : MountFailure(enabled);
}

Answer DisableMount(const Dependencies& dependencies, const Call& call) {
  const absl::Status disabled =
      dependencies.mounts->Disable(mounts::MountClass::kSecret, MountPath(call));
  return disabled.ok() ? NoContent() : MountFailure(disabled);
}

// Whether something is mounted below a path where nothing is mounted.
bool HasMountsBelow(const Dependencies& dependencies, std::string_view path) {
  const std::vector<std::shared_ptr<const mounts::Mount>> all = dependencies.router->List();
  return std::any_of(all.begin(), all.end(),
                     [path](const auto& mount) { return mount->entry.path.starts_with(path); });
}

// With the tokens that it has granted, also where a request before this one has ended the mount but
// not all of them.
Answer DisableAuthMount(const Dependencies& dependencies, const Call& call) {
  const std::string path = MountPath(call);
  if (path == "auth/token/") return ErrorAnswer(400, "token credential backend cannot be disabled");
  const absl::Status disabled = dependencies.mounts->Disable(mounts::MountClass::kAuth, path);
  if (!disabled.ok()) return MountFailure(disabled);
  // There was none at this very path, and the tokens are those of the others.
  if (HasMountsBelow(dependencies, path)) return NoContent();
  const absl::Status revoked = dependencies.tokens->RevokeMadeBelow(path);
  return revoked.ok() ? NoContent() : TokenFailure(revoked);
}

Answer NoSuchMount(std::string_view path) {
  if (path.starts_with(mounts::kAuthPrefix)) {
    return ErrorAnswer(
        400, Concat({"No auth engine at ", mounts::GivenPath(mounts::MountClass::kAuth, path)}));
  }
  return ErrorAnswer(400, Concat({"No secret engine mount at ", path}));
}

Answer TuneMount(const Dependencies& dependencies, const Call& call) {
  TuneRequest request = ParseTuneRequest(call.fields);
  absl::StatusOr<std::vector<std::string>> warnings =
      dependencies.mounts->Tune(TunedPath(call), request.tuning);
  if (absl::IsNotFound(warnings.status())) return NoSuchMount(TunedPath(call));
  if (!warnings.ok()) return MountFailure(warnings.status());
  // What it says of fields that are not known is more than that they were ignored.
  for (std::string& ignored : request.warnings) warnings->push_back(std::move(ignored));
  return Done(call, Fields(), *std::move(warnings));
}

Answer Shown(const Call& call, std::string data) {
  return InjectedAnswer({.request_id = call.id, .data = std::move(data), .mount_type = "system"});
}

// Its mount is not what was meant.
Answer RefuseToDeleteTuning(const Dependencies&, const Call&) {
  return UnsupportedOperation();
}

Answer ReadOne(const Dependencies& dependencies, const Call& call) {
  const std::string path = MountPath(call);
  const std::shared_ptr<const mounts::Mount> mount = dependencies.router->At(path);
  if (mount == nullptr || mount->entry.mount_class != ClassOf(call)) return NoSuchMount(path);
  return Shown(call, MountObject(dependencies.limits, *mount, MountDetail::kAsConfigured));
}

Answer ReadTuning(const Dependencies& dependencies, const Call& call) {
  const std::string path = TunedPath(call);
  const std::shared_ptr<const mounts::Mount> mount = dependencies.router->At(path);
  return mount == nullptr ? NoSuchMount(path)
                          : Shown(call, TuningObject(dependencies.limits, *mount));
}

Answer Move(const Dependencies& dependencies, const Call& call) {
  const std::string from = call.fields.Text("from");
  const std::string to = call.fields.Text("to");
  if (from.empty() || to.empty())
    return ErrorAnswer(400, "both 'from' and 'to' path must be specified as a string");
  if (std::optional<Answer> refusal = RefusePath(from, dependencies.limits))
    return *std::move(refusal);
  if (std::optional<Answer> refusal = RefuseText(to)) return *std::move(refusal);
  if (std::optional<Answer> refusal = RefuseLongMountPath(to, dependencies.limits))
    return *std::move(refusal);
  const absl::StatusOr<std::string> moved = dependencies.mounts->Move(from, to);
  if (!moved.ok()) return MountFailure(moved.status());
  return Shown(call, ObjectText().Text("migration_id", *moved).Finish());
}

Answer ReadMove(const Dependencies& dependencies, const Call& call) {
  const auto move = dependencies.mounts->FindMove(WithoutPrefix(call.path, kMoves));
  if (!move) return EmptyErrorAnswer(404);
  ObjectText info;
  info.Text("source_mount", move->source).Text("target_mount", move->target);
  ObjectText data;
  data.Text("migration_id", move->id)
      .Raw("migration_info", info.Text("status", "success").Finish());
  return EnvelopeAnswer({.request_id = call.id, .data = data.Finish(), .mount_type = "system"});
}

constexpr DeclaredField kMove[] = {{"from", FieldKind::kText}, {"to", FieldKind::kText}};
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
    {.path = "sys/remount",
     .operation = Operation::kUpdate,
     .right = Right::kSudo,
     .place = Place::kPluginExecutor,
     .fields = kMove,
     .answer = &Move},
    {.path = "sys/remount/status/*",
     .operation = Operation::kRead,
     .place = Place::kHere,
     .answer = &ReadMove},
    {.path = "sys/auth/*/tune",
     .operation = Operation::kRead,
     .right = Right::kSudo,
     .place = Place::kHere,
     .answer = &ReadTuning},
    {.path = "sys/auth/*/tune",
     .operation = Operation::kUpdate,
     .right = Right::kSudo,
     .place = Place::kPluginExecutor,
     .fields = kTuning,
     .answer = &TuneMount},
    {.path = "sys/auth/*/tune",
     .operation = Operation::kDelete,
     .right = Right::kSudo,
     .place = Place::kHere,
     .answer = &RefuseToDeleteTuning},
    {.path = "sys/auth/*",
     .operation = Operation::kRead,
     .right = Right::kSudo,
     .place = Place::kHere,
     .answer = &ReadOne},
    {.path = "sys/auth/*",
     .operation = Operation::kUpdate,
     .right = Right::kSudo,
     .place = Place::kPluginExecutor,
     .fields = kNewMount,
     .answer = &EnableMount},
    {.path = "sys/auth/*",
     .operation = Operation::kDelete,
     .right = Right::kSudo,
     .place = Place::kPluginExecutor,
     .answer = &DisableAuthMount},
};

}  // namespace

std::span<const Endpoint> MountEndpoints() {
  return kEndpoints;
}

}  // namespace belfry::builtin
