#include <unistd.h>

#include <array>
#include <utility>

#include "base/text.h"
#include "server/builtin/endpoint.h"
#include "server/builtin/json_text.h"

namespace belfry::builtin {
namespace {

using mounts::Operation;

// Who has done it: an operator who finds the server sealed, or keys rotated, will ask.
void Note(const Dependencies& dependencies, const Call& call, std::string_view what) {
  dependencies.logger.Info(what, {{"accessor", call.identity.accessor},
                                  {"display_name", call.identity.display_name},
                                  {"remote_address", call.remote_address}});
}

Answer SealServer(const Dependencies& dependencies, const Call& call) {
  Note(dependencies, call, "sealing");
  return {.status = 204, .body = Answer::Body::kSealServer};
}

Answer SaveSnapshot(const Dependencies& dependencies, const Call& call) {
  Note(dependencies, call, "saving a snapshot");
  return {.body = Answer::Body::kSnapshot};
}

Answer Injected(const Call& call, std::string data) {
  return InjectedAnswer({.request_id = call.id, .data = std::move(data), .mount_type = "system"});
}

Answer KeyStatus(const Dependencies& dependencies, const Call& call) {
  const auto status = dependencies.barrier->Status();
  if (!status.ok()) return SealRefusal(status.status());
  return Injected(call, ObjectText()
                            .Number("encryptions", static_cast<std::int64_t>(status->encryptions))
                            .Raw("install_time", TimeText(status->installed))
                            .Number("term", status->term)
                            .Finish());
}

Answer Rotate(const Dependencies& dependencies, const Call& call) {
  const absl::Status rotated = dependencies.barrier->Rotate();
  if (!rotated.ok()) return SealRefusal(rotated);
  Note(dependencies, call, "rotated the encryption key");
  return NoContent();
}

// "24h0m0s": as Go writes what is at least a minute and has whole seconds.
std::string IntervalText(absl::Duration interval) {
  const std::int64_t seconds = absl::ToInt64Seconds(interval);
  if (seconds == 0) return "0";
  return Concat({"\"", std::to_string(seconds / 3600), "h", std::to_string(seconds / 60 % 60), "m",
                 std::to_string(seconds % 60), "s\""});
}

Answer ReadRotation(const Dependencies& dependencies, const Call& call) {
  const auto rotation = dependencies.barrier->Rotation();
  if (!rotation.ok()) return SealRefusal(rotation.status());
  return EnvelopeAnswer(
      {.request_id = call.id,
       .data = ObjectText()
                   .Bool("enabled", rotation->enabled)
                   .Raw("interval", IntervalText(rotation->interval))
                   .Number("max_operations", static_cast<std::int64_t>(rotation->max_operations))
                   .Finish(),
       .mount_type = "system"});
}

// What is not given stays.
Answer WriteRotation(const Dependencies& dependencies, const Call& call) {
  auto rotation = dependencies.barrier->Rotation();
  if (!rotation.ok()) return SealRefusal(rotation.status());
  rotation->enabled = call.fields.Bool("enabled", rotation->enabled);
  if (call.fields.Has("max_operations")) {
    // What is negative is out of range, too.
    rotation->max_operations = static_cast<std::uint64_t>(call.fields.Number("max_operations"));
  }
  if (call.fields.Has("interval")) rotation->interval = call.fields.Duration("interval");
  const absl::Status set = dependencies.barrier->SetRotation(*rotation);
  return set.ok() ? Done(call, call.fields) : SealRefusal(set);
}

std::string HostName() {
  std::array<char, 256> name{};
  if (gethostname(name.data(), name.size() - 1) != 0) return "";
  return name.data();
}

// One node: what is not a cluster is its own active node.
Answer HaStatus(const Dependencies& dependencies, const Call& call) {
  const std::string node = ObjectText()
                               .Text("hostname", HostName())
                               .Text("api_address", dependencies.api_address)
                               .Text("cluster_address", "")
                               .Bool("active_node", true)
                               .Raw("last_echo", "null")
                               .Text("version", dependencies.version)
                               .Number("echo_duration_ms", 0)
                               .Number("clock_skew_ms", 0)
                               .Number("replication_primary_canary_age_ms", 0)
                               .Finish();
  return Injected(call, ObjectText().Raw("nodes", Concat({"[", node, "]"})).Finish());
}

// There is no other node that could be active instead.
Answer StepDown(const Dependencies&, const Call&) {
  return NoContent();
}

constexpr DeclaredField kRotation[] = {{"enabled", FieldKind::kBool},
                                       {"interval", FieldKind::kDuration},
                                       {"max_operations", FieldKind::kNumber}};

// Of Vault's paths that these are, seal, step-down and rotate need sudo.
constexpr Endpoint kEndpoints[] = {
    {.path = "sys/seal",
     .operation = Operation::kUpdate,
     .right = Right::kSudo,
     .place = Place::kHere,
     .answer = &SealServer},
    {.path = "sys/step-down",
     .operation = Operation::kUpdate,
     .right = Right::kSudo,
     .place = Place::kHere,
     .answer = &StepDown},
    {.path = "sys/storage/snapshot",
     .operation = Operation::kRead,
     .right = Right::kSudo,
     .place = Place::kHere,
     .answer = &SaveSnapshot},
    {.path = "sys/rotate",
     .operation = Operation::kUpdate,
     .right = Right::kSudo,
     .answer = &Rotate},
    {.path = "sys/rotate/config", .operation = Operation::kRead, .answer = &ReadRotation},
    {.path = "sys/rotate/config",
     .operation = Operation::kUpdate,
     .fields = kRotation,
     .answer = &WriteRotation},
    {.path = "sys/key-status", .operation = Operation::kRead, .answer = &KeyStatus},
    {.path = "sys/ha-status", .operation = Operation::kRead, .answer = &HaStatus},
};

}  // namespace

std::span<const Endpoint> SealEndpoints() {
  return kEndpoints;
}

}  // namespace belfry::builtin
