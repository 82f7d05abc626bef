#include "server/builtin/endpoint.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "base/strings.h"
#include "base/text.h"
#include "server/builtin/json_text.h"

namespace belfry::builtin {
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
Answer Failure(const absl::Status& status) {
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

Answer MissingId() {
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

Answer LookUp(const Dependencies& dependencies, const Call& call, const std::string& id) {
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
  std::string text = data.Finish();
  return EnvelopeAnswer(
      {.request_id = call.id, .data = std::move(text), .mount_type = std::string(kSystem)});
}

Answer List(const Dependencies& dependencies, const Call& call, std::string_view prefix) {
  const std::vector<std::string> keys = dependencies.leases->List(prefix);
  if (keys.empty()) return EmptyErrorAnswer(404);
  std::string data = ObjectText().Raw("keys", ArrayText(keys)).Finish();
  return EnvelopeAnswer(
      {.request_id = call.id, .data = std::move(data), .mount_type = std::string(kSystem)});
}

Answer AnswerForRenewal(const std::string& request_id, absl::StatusOr<mounts::Response> renewed) {
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
        respond(mode == RevokeMode::kQueue ? StatusAnswer(202) : NoContent());
      });
}

Answer LookUpNamed(const Dependencies& dependencies, const Call& call) {
  return LookUp(dependencies, call, LeaseId(Parse(call.path), call));
}

Answer ListLeases(const Dependencies& dependencies, const Call& call) {
  return List(dependencies, call, Parse(call.path).rest);
}

void RenewNamed(const Dependencies& dependencies, Call call, Respond respond) {
  Renew(dependencies, call, LeaseId(Parse(call.path), call), std::move(respond));
}

RevokeMode ModeOf(const Call& call) {
  return Waits(call) ? RevokeMode::kWait : RevokeMode::kQueue;
}

void RevokeNamed(const Dependencies& dependencies, Call call, Respond respond) {
  Revoke(dependencies, {.id_or_prefix = LeaseId(Parse(call.path), call)}, ModeOf(call),
         std::move(respond));
}

void RevokePrefix(const Dependencies& dependencies, const Call& call, RevokeMode mode,
                  Respond respond) {
  Revoke(dependencies, {.id_or_prefix = std::string(Parse(call.path).rest), .prefix = true}, mode,
         std::move(respond));
}

void RevokeAllBelow(const Dependencies& dependencies, Call call, Respond respond) {
  RevokePrefix(dependencies, call, ModeOf(call), std::move(respond));
}

void RevokeByForce(const Dependencies& dependencies, Call call, Respond respond) {
  RevokePrefix(dependencies, call, RevokeMode::kForce, std::move(respond));
}

constexpr DeclaredField kLease[] = {{"lease_id", FieldKind::kText}};
constexpr DeclaredField kRenewal[] = {{"increment", FieldKind::kDuration},
                                      {"lease_id", FieldKind::kText}};
constexpr DeclaredField kRevocation[] = {{"lease_id", FieldKind::kText},
                                         {"sync", FieldKind::kBool}};
constexpr DeclaredField kSync[] = {{"sync", FieldKind::kBool}};

// A lease is told what becomes of it by others: nobody waits here.
constexpr Endpoint Change(std::string_view path, std::span<const DeclaredField> fields,
                          AsyncHandler begin, Right right = Right::kPolicies) {
  return {.path = path,
          .operation = Operation::kUpdate,
          .right = right,
          .place = Place::kHere,
          .fields = fields,
          .begin = begin};
}

constexpr Endpoint kEndpoints[] = {
    {.path = "sys/leases/lookup",
     .operation = Operation::kUpdate,
     .place = Place::kHere,
     .fields = kLease,
     .answer = &LookUpNamed},
    {.path = "sys/leases/lookup/*",
     .operation = Operation::kUpdate,
     .right = Right::kSudo,
     .place = Place::kHere,
     .fields = kLease,
     .answer = &LookUpNamed},
    {.path = "sys/leases/lookup/*",
     .operation = Operation::kList,
     .right = Right::kSudo,
     .place = Place::kHere,
     .answer = &ListLeases},
    Change("sys/leases/renew", kRenewal, &RenewNamed),
    Change("sys/leases/renew/*", kRenewal, &RenewNamed),
    Change("sys/leases/revoke", kRevocation, &RevokeNamed),
    Change("sys/leases/revoke/*", kRevocation, &RevokeNamed),
    Change("sys/leases/revoke-prefix", kSync, &RevokeAllBelow),
    Change("sys/leases/revoke-prefix/*", kSync, &RevokeAllBelow, Right::kSudo),
    Change("sys/leases/revoke-force", kSync, &RevokeByForce),
    Change("sys/leases/revoke-force/*", kSync, &RevokeByForce, Right::kSudo),
    Change("sys/renew", kRenewal, &RenewNamed),
    Change("sys/renew/*", kRenewal, &RenewNamed),
    Change("sys/revoke", kRevocation, &RevokeNamed),
    Change("sys/revoke/*", kRevocation, &RevokeNamed),
    Change("sys/revoke-prefix", kSync, &RevokeAllBelow),
    Change("sys/revoke-prefix/*", kSync, &RevokeAllBelow, Right::kSudo),
    Change("sys/revoke-force", kSync, &RevokeByForce),
    Change("sys/revoke-force/*", kSync, &RevokeByForce, Right::kSudo),
};

}  // namespace

std::span<const Endpoint> LeaseEndpoints() {
  return kEndpoints;
}

}  // namespace belfry::builtin
