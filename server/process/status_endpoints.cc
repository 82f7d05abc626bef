#include "base/http_status.h"
#include "base/strings.h"
#include "base/text.h"
#include "server/builtin/json_text.h"
#include "server/process/endpoint.h"
#include "server/process/seal_status.h"

namespace belfry::process {
namespace {

using builtin::Answer;
using builtin::DeclaredField;
using builtin::ErrorAnswer;
using builtin::FieldKind;
using builtin::Fields;
using builtin::JsonAnswer;
using builtin::ObjectText;

// What a state is answered with, and the parameter that asks for another status.
struct HealthCode {
  std::string_view parameter;
  int status;
};

HealthCode HealthCodeOf(const Lifecycle::Status& status) {
  if (status.serving) return {"activecode", 200};
  if (status.seal.initialized()) return {"sealedcode", 503};
  return {"uninitcode", 501};
}

// Each is checked, whichever counts. (vault-api-and-events 8)
constexpr std::string_view kCodes[] = {"activecode",  "sealedcode",      "uninitcode",
                                       "standbycode", "perfstandbycode", "drsecondarycode"};

// A member of our own, which is only there when something is wrong: secrets can still be read, and
// so the status stays.
void AddStorage(const absl::Status& health, ObjectText* text) {
  if (health.ok()) return;
  text->Raw("storage",
            ObjectText().Bool("read_only", true).Text("reason", ToStd(health.message())).Finish());
}

Answer Health(const Context& context, const Fields& fields) {
  const Lifecycle::Status status = context.lifecycle.status();
  HealthCode code = HealthCodeOf(status);
  for (const std::string_view parameter : kCodes) {
    if (!fields.Has(parameter)) continue;
    const std::string wanted = fields.Text(parameter);
    const long long given = ToNumber(wanted).value_or(0);
    if (!IsAnswerStatus(given)) {
      return ErrorAnswer(400, Concat({"invalid parameter for ", parameter, ": ", wanted}));
    }
    if (parameter == code.parameter) code.status = static_cast<int>(given);
  }
  const std::string_view replication = status.serving ? "disabled" : "unknown";
  ObjectText text;
  text.Bool("initialized", status.seal.initialized())
      .Bool("sealed", !status.serving)
      .Bool("standby", !status.serving)
      .Bool("performance_standby", false)
      .Text("replication_performance_mode", replication)
      .Text("replication_dr_mode", replication)
      .Number("server_time_utc", absl::ToUnixSeconds(context.facts.clock->Now()))
      .Text("version", context.facts.version)
      .Bool("enterprise", false);
  if (status.serving) {
    text.Text("cluster_name", status.names.cluster_name)
        .Text("cluster_id", status.names.cluster_id);
  }
  text.Number("echo_duration_ms", 0)
      .Number("clock_skew_ms", 0)
      .Number("replication_primary_canary_age_ms", 0);
  AddStorage(context.facts.storage->status(), &text);
  return JsonAnswer(code.status, text.Finish());
}

Answer ReadSealStatus(const Context& context, const Fields&) {
  return SealStatusAnswer(context);
}

Answer Leader(const Context&, const Fields&) {
  return JsonAnswer(200, R"({"ha_enabled":false,"is_self":false,)"
                         R"("active_time":"0001-01-01T00:00:00Z","leader_address":"",)"
                         R"("leader_cluster_address":"","performance_standby":false,)"
                         R"("performance_standby_last_remote_wal":0})");
}

constexpr DeclaredField kHealth[] = {
    {"activecode", FieldKind::kText},      {"sealedcode", FieldKind::kText},
    {"uninitcode", FieldKind::kText},      {"standbycode", FieldKind::kText},
    {"perfstandbycode", FieldKind::kText}, {"drsecondarycode", FieldKind::kText}};

constexpr Endpoint kEndpoints[] = {
    {.path = "sys/health", .fields = kHealth, .answer = &Health},
    {.path = "sys/seal-status", .answer = &ReadSealStatus},
    {.path = "sys/leader", .answer = &Leader},
};

}  // namespace

Answer SealStatusAnswer(const Context& context) {
  const Lifecycle::Status status = context.lifecycle.status();
  ObjectText text;
  const bool by_itself = status.seal.kind != seal::SealKind::kShamir;
  text.Text("type", seal::NameOf(status.seal.kind))
      .Bool("initialized", status.seal.initialized())
      .Bool("sealed", !status.serving)
      .Number("t", status.seal.configuration.threshold)
      .Number("n", status.seal.configuration.shares)
      .Number("progress", status.seal.progress)
      .Text("nonce", status.seal.nonce)
      .Text("version", context.facts.version)
      .Text("build_date", "")
      .Bool("migration", false);
  if (status.serving) {
    text.Text("cluster_name", status.names.cluster_name)
        .Text("cluster_id", status.names.cluster_id);
  }
  text.Bool("recovery_seal", by_itself);
  if (by_itself) text.Text("recovery_seal_type", seal::NameOf(seal::SealKind::kShamir));
  return JsonAnswer(200, text.Text("storage_type", context.facts.storage_type).Finish());
}

std::span<const Endpoint> StatusEndpoints() {
  return kEndpoints;
}

}  // namespace belfry::process
