#include "server/api/lease_endpoints.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "base/strings.h"
#include "base/text.h"
#include "server/api/json_text.h"
#include "server/api/responses.h"

namespace belfry::api {
namespace {

using mounts::LeaseInfo;
using mounts::Operation;
using mounts::RevokeMode;

constexpr std::string_view kSystem = "system";
constexpr std::string_view kLeases = "sys/leases/";

// What is asked of which lease or leases: "lookup", "renew", "revoke", "revoke-prefix" or
// "revoke-force", and what follows in the path.
struct Asked {
  std::string_view verb;
  std::string_view rest;
};

Asked Parse(std::string_view path) {
  path = WithoutPrefix(path, path.starts_with(kLeases) ? kLeases : "sys/");
  const std::size_t slash = path.find('/');
  if (slash == std::string_view::npos) return {path, ""};
  return {path.substr(0, slash), path.substr(slash + 1)};
}

// What the client can fix is 400.
HttpResponse Failure(const absl::Status& status) {
  const std::string_view text = ToStd(status.message());
  switch (status.code()) {
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kInvalidArgument:
      return ErrorAnswer(400, text);
    case absl::StatusCode::kResourceExhausted:
      return BusyAnswer(text);
    case absl::StatusCode::kAborted:
      return ErrorAnswer(503, text);
    case absl::StatusCode::kDeadlineExceeded:
      return ErrorAnswer(504, OneError(text));
    default:
      return ErrorAnswer(500, OneError(text));
  }
}

// The path's, else the body's.
std::string LeaseId(const Asked& asked, const Call& call) {
  return asked.rest.empty() ? call.fields.Text("lease_id") : std::string(asked.rest);
}

HttpResponse MissingId() {
  return ErrorAnswer(400, "lease_id must be specified");
}

// Null, unless revocations have failed.
std::string FailureText(const LeaseInfo& lease) {
  return ObjectText()
      .Number("attempts", lease.failures)
      .Text("error", lease.last_failure)
      .Raw("next_attempt", TimeText(lease.next_attempt))
      .Finish();
}

HttpResponse LookUp(const Dependencies& dependencies, const Call& call, const std::string& id) {
  if (id.empty()) return MissingId();
  const std::optional<LeaseInfo> lease = dependencies.leases->LookUp(id);
  if (!lease) return ErrorAnswer(400, "invalid lease");
  const absl::Duration left = lease->expires - dependencies.clock->Now();
  ObjectText data;
  data.Raw("expire_time", TimeText(lease->expires))
      .Text("id", lease->id)
      .Raw("issue_time", TimeText(lease->issued))
      .Raw("last_renewal", lease->last_renewal ? TimeText(*lease->last_renewal) : "null")
      .Bool("renewable", lease->renewable);
  // No Vault has this member, and none has such leases for long.
  if (lease->failures > 0) data.Raw("revocation", FailureText(*lease));
  data.Number("ttl", std::max<std::int64_t>(0, absl::ToInt64Seconds(left)));
  const std::string text = data.Finish();
  return EnvelopeAnswer({.request_id = call.id, .data = text, .mount_type = std::string(kSystem)});
}

HttpResponse List(const Dependencies& dependencies, const Call& call, std::string_view prefix) {
  const std::vector<std::string> keys = dependencies.leases->List(prefix);
  if (keys.empty()) return EmptyErrorAnswer(404);
  const std::string data = ObjectText().Raw("keys", ArrayText(keys)).Finish();
  return EnvelopeAnswer({.request_id = call.id, .data = data, .mount_type = std::string(kSystem)});
}

HttpResponse AnswerForRenewal(const std::string& request_id,
                              absl::StatusOr<mounts::Response> renewed) {
  if (!renewed.ok()) return Failure(renewed.status());
  return EnvelopeAnswer({.request_id = request_id,
                         .lease_id = renewed->lease->id,
                         .lease_duration = absl::ToInt64Seconds(renewed->lease->ttl),
                         .renewable = renewed->lease->renewable,
                         .data = renewed->data,
                         .warnings = std::move(renewed->warnings),
                         .mount_type = std::string(kSystem)});
}

void Renew(const Dependencies& dependencies, const Call& call, const std::string& id,
           Respond respond) {
  if (id.empty()) return respond(MissingId());
  dependencies.leases->Renew(id, call.fields.Duration("increment"),
                             [id = call.id, respond = std::move(respond)](
                                 absl::StatusOr<mounts::Response> renewed) mutable {
                               respond(AnswerForRenewal(id, std::move(renewed)));
                             });
}

// Whoever does not want to wait is told so with 202.
bool Waits(const Call& call) {
  return call.fields.Bool("sync", true);
}

void Revoke(const Dependencies& dependencies, mounts::LeaseScope scope, RevokeMode mode,
            Respond respond) {
  if (scope.id_or_prefix.empty()) return respond(MissingId());
  dependencies.leases->Revoke(
      std::move(scope), mode,
      [mode, respond = std::move(respond)](const absl::Status& status) mutable {
        if (!status.ok()) return respond(Failure(status));
        respond(mode == RevokeMode::kQueue ? Answer(202, "application/json", "") : NoContent());
      });
}

void AnswerUpdate(const Dependencies& dependencies, const Asked& asked, const Call& call,
                  Respond respond) {
  if (asked.verb == "lookup") return respond(LookUp(dependencies, call, LeaseId(asked, call)));
  if (asked.verb == "renew")
    return Renew(dependencies, call, LeaseId(asked, call), std::move(respond));
  const RevokeMode mode = Waits(call) ? RevokeMode::kWait : RevokeMode::kQueue;
  if (asked.verb == "revoke")
    return Revoke(dependencies, {.id_or_prefix = LeaseId(asked, call)}, mode, std::move(respond));
  Revoke(dependencies, {.id_or_prefix = std::string(asked.rest), .prefix = true},
         asked.verb == "revoke-force" ? RevokeMode::kForce : mode, std::move(respond));
}

}  // namespace

bool IsLeasesPath(std::string_view path) {
  const std::string_view verb = Parse(path).verb;
  if (path.starts_with(kLeases) && verb == "lookup") return true;
  return verb == "renew" || verb == "revoke" || verb == "revoke-prefix" || verb == "revoke-force";
}

void AnswerLeases(const Dependencies& dependencies, Call call, Respond respond) {
  const Asked asked = Parse(call.path);
  if (asked.verb == "lookup" && call.operation == Operation::kList) {
    respond(List(dependencies, call, asked.rest));
  } else if (call.operation == Operation::kUpdate) {
    AnswerUpdate(dependencies, asked, call, std::move(respond));
  } else {
    respond(UnsupportedOperation());
  }
}

}  // namespace belfry::api
