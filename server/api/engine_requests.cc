#include "server/api/engine_requests.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "base/http_status.h"
#include "base/strings.h"
#include "base/text.h"
#include "server/api/engine_answer.h"
#include "server/api/login.h"
#include "server/builtin/answer.h"
#include "server/builtin/json_text.h"
#include "server/mounts/lease_terms.h"
#include "server/mounts/salted_token.h"

namespace belfry::api {

using builtin::Answer;
using builtin::ArrayText;
using builtin::BusyAnswer;
using builtin::Call;
using builtin::CapabilityFor;
using builtin::Denied;
using builtin::EmptyErrorAnswer;
using builtin::Envelope;
using builtin::EnvelopeAnswer;
using builtin::ErrorAnswer;
using builtin::JsonAnswer;
using builtin::kMaxReplyJsonDepth;
using builtin::MayAsk;
using builtin::Member;
using builtin::Members;
using builtin::NoContent;
using builtin::ObjectSummary;
using builtin::OneError;
using builtin::StatusAnswer;
using builtin::Summarize;
using builtin::TextAnswer;
using builtin::UnsupportedPath;

namespace {

using mounts::Operation;

bool IsWrite(Operation operation) {
  return operation == Operation::kCreate || operation == Operation::kUpdate ||
         operation == Operation::kPatch;
}

// A request on its way through an engine. Shared by the callbacks of the two questions that a write
// asks.
struct MountCall {
  std::shared_ptr<const mounts::Mount> mount;
  mounts::Request request;
  access::Identity identity;
  std::string full_path;
  const access::Authorizer* authorizer;
  mounts::LeaseManager* leases;
  access::TokenStore* tokens;
  Executor* executor;
  const Clock* clock;
  const Limits* limits;
  const Logger* logger;
  RefusalLog* refusals;
  AnswerCallback respond;
};

// 500, 503 when too many wait for the engine or the host itself has interrupted it, 403 when rights
// went while it waited, and 504 when it took too long.
Answer EngineFailure(const absl::Status& status) {
  if (absl::IsPermissionDenied(status)) return Denied();
  if (absl::IsResourceExhausted(status) || absl::IsAborted(status))
    return BusyAnswer(ToStd(status.message()));
  const int code = status.code() == absl::StatusCode::kDeadlineExceeded ? 504 : 500;
  return ErrorAnswer(code, OneError(ToStd(status.message())));
}

bool IsBase64(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '+' ||
         c == '/';
}

// What the engine calls the client's mistake is told in its own words. (vault-api-and-events 6.2)
Answer ExistenceFailure(const absl::Status& status) {
  if (absl::IsInvalidArgument(status)) return ErrorAnswer(400, ToStd(status.message()));
  return EngineFailure(status);
}

// What Go's strict decoder accepts; anything else is a text that stands for itself.
std::string RawBody(const std::string& text) {
  std::string compact = text;
  std::erase_if(compact, [](char c) { return c == '\r' || c == '\n'; });
  if (compact.size() % 4 != 0) return text;
  const std::size_t end = compact.find_last_not_of('=') + 1;
  if (compact.size() - end > 2) return text;
  for (std::size_t i = 0; i < end; ++i) {
    if (!IsBase64(compact[i])) return text;
  }
  std::string decoded;
  return absl::Base64Unescape(compact, &decoded) ? decoded : text;
}

// Whose answer it is that is looked at.
struct Said {
  const mounts::Request* request;
  const mounts::MountEntry* entry;
  const Logger* logger;
  RefusalLog* refusals;  // May be null.
};

// 500 for an answer that must not go on to a client, and a line for the operator.
Answer Refusal(const Said& said, RefusedPart part, std::string_view reason) {
  if (said.refusals != nullptr)
    said.refusals->Write(*said.logger, *said.entry, said.request->id, part, reason);
  return ErrorAnswer(500, OneError(reason));
}

Answer RefusedHeader(const Said& said, std::string_view name) {
  return Refusal(said, RefusedPart::kHeader,
                 Concat({"the plugin answered with an impossible HTTP header: ", name}));
}

Answer RawAnswer(const Said& said, std::string_view data) {
  std::map<std::string, Member> members =
      Members(data, {"http_status_code", "http_content_type", "http_raw_body",
                     "http_raw_cache_control", "http_raw_pragma", "http_www_authenticate"});
  const int status = ToNumber(members["http_status_code"].text).value_or(0);
  if (!IsAnswerStatus(status)) {
    return Refusal(said, RefusedPart::kStatus,
                   "the plugin answered with an impossible HTTP status");
  }
  const Member& body = members["http_raw_body"];
  const std::string& content_type = members["http_content_type"].text;
  Answer answer = TextAnswer(status, content_type.empty() ? "application/json" : content_type,
                             body.is_string        ? RawBody(body.text)
                             : body.text == "null" ? std::string()
                                                   : body.text);
  const auto add = [&answer](std::string_view name, std::string& value) {
    if (!value.empty()) answer.headers.emplace_back(name, std::move(value));
  };
  if (!IsHeaderValue(answer.content_type)) return RefusedHeader(said, "Content-Type");
  add("Cache-Control", members["http_raw_cache_control"].text);
  add("Pragma", members["http_raw_pragma"].text);
  if (status == 401) add("WWW-Authenticate", members["http_www_authenticate"].text);
  for (const auto& [name, value] : answer.headers) {
    if (!IsHeaderValue(value)) return RefusedHeader(said, name);
  }
  return answer;
}

Answer Redirect(const Said& said, std::string_view location) {
  const std::string reason = WhyNotRedirect(location, said.request->operation, said.entry->path);
  if (!reason.empty())
    return Refusal(said, RefusedPart::kRedirect,
                   Concat({"the plugin's redirect is refused: ", reason}));
  Answer redirect = StatusAnswer(307);
  redirect.headers.emplace_back("Location", location);
  return redirect;
}

// With the data that the engine gave beside the error.
Answer ReportedError(int status, std::string_view data) {
  const std::map<std::string, Member> members = Members(data, {"error", "data"});
  Answer answer = ErrorAnswer(status, members.at("error").text);
  if (const auto more = members.find("data"); more != members.end()) {
    answer.data = more->second.is_string ? ArrayText({more->second.text}) : more->second.text;
  }
  return answer;
}

bool IsReportedError(const ObjectSummary& summary) {
  return summary.has_error && (summary.members == 1 || (summary.members == 2 && summary.has_data));
}

// A coded error that comes with a response is a bad request, unless it says one of these plainly.
int StatusBesideResponse(int status) {
  return status == 403 || status == 404 || status == 405 ? status : 400;
}

Answer AnswerForData(const mounts::Request& request, const mounts::MountEntry& entry,
                     const Limits& limits, mounts::Response response) {
  Envelope envelope{.request_id = request.id, .data = std::move(response.data)};
  if (response.lease) {
    envelope.lease_id = response.lease->id;
    envelope.lease_duration =
        absl::ToInt64Seconds(mounts::GrantedTtl(limits, entry, *response.lease));
    envelope.renewable = response.lease->renewable;
  }
  envelope.warnings = std::move(response.warnings);
  envelope.mount_type = entry.type;
  return EnvelopeAnswer(std::move(envelope));
}

bool LeasesASecret(const MountCall& call, const absl::StatusOr<mounts::Reply>& reply) {
  return reply.ok() && !reply->error && reply->response && reply->response->lease &&
         mounts::GivesLeases(call.mount->entry);
}

// Whether the token that asked is still there to hold a lease. A lease of a token that ends from
// now on is revoked by whoever ends it.
bool MayHoldALease(const MountCall& call) {
  const access::Identity& identity = call.identity;
  return identity.life == nullptr ||
         (!identity.life->used_up() && identity.life->Lasts(call.clock->Now()));
}

void Withdraw(const MountCall& call, const mounts::Lease& lease) {
  call.leases->Revoke({.id_or_prefix = lease.id}, mounts::RevokeMode::kQueue,
                      [](const absl::Status&) {});
}

// Answers when the secret has its lease; without one it is not given out.
void AnswerWithLease(const std::shared_ptr<MountCall>& call, mounts::Reply reply) {
  auto kept = std::make_shared<mounts::Reply>(std::move(reply));
  call->leases->Register(
      call->mount, call->request, *kept->response,
      [call, kept](absl::StatusOr<mounts::Lease> lease) {
        if (!lease.ok()) return call->respond(EngineFailure(lease.status()));
        if (!MayHoldALease(*call)) {
          Withdraw(*call, *lease);
          return call->respond(ErrorAnswer(
              400,
              "the secret was revoked and is not given out: its lease would outlive the token, "
              "which has ended or has no use left"));
        }
        kept->response->lease = *std::move(lease);
        call->respond(AnswerForReply(call->request, call->mount->entry, *call->limits,
                                     std::move(*kept), *call->logger, call->refusals));
      });
}

bool GrantsAToken(const absl::StatusOr<mounts::Reply>& reply) {
  return reply.ok() && !reply->error && reply->response && reply->response->grant;
}

// Makes the token where storage may be waited for.
void AnswerWithToken(const std::shared_ptr<MountCall>& call, mounts::Response response) {
  const mounts::MountEntry& entry = call->mount->entry;
  if (entry.mount_class != mounts::MountClass::kAuth) {
    const Said said{.request = &call->request,
                    .entry = &entry,
                    .logger = call->logger,
                    .refusals = call->refusals};
    return call->respond(Refusal(said, RefusedPart::kGrant,
                                 "the plugin grants a token, which only an auth method may do"));
  }
  const bool posted = call->executor->PostFor(
      call->request.remote_address, [call, response = std::move(response)]() mutable {
        call->respond(AnswerLogin(call->tokens, call->request, call->mount->entry, *call->limits,
                                  std::move(response)));
      });
  if (!posted) call->respond(builtin::TooBusy());
}

bool Allows(const MountCall& call, access::Capability capability, std::string_view data) {
  return MayAsk(*call.authorizer, call.identity, capability, call.full_path, data);
}

// Help is for everybody who has a token.
bool MayAskEngine(const MountCall& call, Operation operation, std::string_view data) {
  const std::shared_ptr<const mounts::SpecialPaths> special = call.mount->engine->Special();
  if (special->unauthenticated.Contains(call.request.path)) return true;
  if (call.request.unauthenticated) return false;
  if (operation == Operation::kHelp) return true;
  return Allows(call, CapabilityFor(operation), data) &&
         (!special->root.Contains(call.request.path) ||
          Allows(call, access::Capability::kSudo, data));
}

// The request for the engine, by somebody who may do these operations.
mounts::Request RequestFor(const std::shared_ptr<MountCall>& call,
                           std::vector<Operation> operations) {
  mounts::Request request = call->request;
  request.still_allowed = [call, operations = std::move(operations)](std::string_view data) {
    return call->identity.Lasts(call->clock->Now()) &&
           std::ranges::all_of(operations, [&](Operation operation) {
             return MayAskEngine(*call, operation, data);
           });
  };
  return request;
}

// The same with the data itself, which may be large: the answer names the request, and needs none.
mounts::Request TakeRequest(const std::shared_ptr<MountCall>& call,
                            std::vector<Operation> operations) {
  std::string data = std::exchange(call->request.data, {});
  mounts::Request request = RequestFor(call, std::move(operations));
  request.data = std::move(data);
  return request;
}

void AnswerWith(const std::shared_ptr<MountCall>& call, absl::StatusOr<mounts::Reply> reply) {
  if (GrantsAToken(reply)) return AnswerWithToken(call, *std::move(reply->response));
  if (LeasesASecret(*call, reply)) return AnswerWithLease(call, *std::move(reply));
  call->respond(AnswerForReply(call->request, call->mount->entry, *call->limits, std::move(reply),
                               *call->logger, call->refusals));
}

void Ask(const std::shared_ptr<MountCall>& call) {
  call->mount->engine->Handle(
      TakeRequest(call, {call->request.operation}),
      [call](absl::StatusOr<mounts::Reply> reply) { AnswerWith(call, std::move(reply)); });
}

void AskToWrite(const std::shared_ptr<MountCall>& call) {
  call->mount->engine->Write(TakeRequest(call, {Operation::kUpdate, Operation::kCreate}),
                             [call](absl::StatusOr<mounts::Reply> reply) {
                               if (!reply.ok())
                                 return call->respond(ExistenceFailure(reply.status()));
                               AnswerWith(call, std::move(reply));
                             });
}

// Asks the engine once the caller is known to be allowed.
void AskIfAllowed(const std::shared_ptr<MountCall>& call) {
  if (!MayAskEngine(*call, call->request.operation, call->request.data))
    return call->respond(Denied());
  Ask(call);
}

// For whoever may create or update, but not both.
void CheckExistenceThenAsk(const std::shared_ptr<MountCall>& call, Operation allowed) {
  call->mount->engine->CheckExistence(
      RequestFor(call, {allowed}), [call, allowed](absl::StatusOr<mounts::Existence> existence) {
        if (!existence.ok()) return call->respond(ExistenceFailure(existence.status()));
        if (*existence == mounts::Existence::kMissing) call->request.operation = Operation::kCreate;
        if (call->request.operation != allowed) return call->respond(Denied());
        Ask(call);
      });
}

void WriteIfAllowed(const std::shared_ptr<MountCall>& call) {
  const bool may_update = MayAskEngine(*call, Operation::kUpdate, call->request.data);
  const bool may_create = MayAskEngine(*call, Operation::kCreate, call->request.data);
  // Whoever may do both need not wait until it is known which of them it is.
  if (may_update && may_create) return AskToWrite(call);
  // Whoever may not write at all is not told whether there is something.
  if (!may_update && !may_create) return call->respond(Denied());
  CheckExistenceThenAsk(call, may_create ? Operation::kCreate : Operation::kUpdate);
}

mounts::Request EngineRequest(const Dependencies& dependencies, const mounts::MountEntry& entry,
                              Call& call, std::string path) {
  mounts::Request request;
  request.id = std::move(call.id);
  request.operation = call.operation;
  request.path = std::move(path);
  request.data = std::move(call.data);
  request.mount_point = entry.path;
  request.mount_type = entry.type;
  request.mount_accessor = entry.accessor;
  request.client_token = mounts::SaltedToken(entry.uuid, call.token);
  request.client_token_accessor = call.identity.accessor;
  request.display_name = call.identity.display_name;
  request.entity_id = call.identity.entity_id;
  request.remote_address = std::move(call.remote_address);
  request.unauthenticated = !call.authenticated;
  request.deadline =
      dependencies.host.clock->Steady() + dependencies.host.limits.max_request_duration;
  return request;
}

}  // namespace

Answer AnswerForReply(const mounts::Request& request, const mounts::MountEntry& entry,
                      const Limits& limits, absl::StatusOr<mounts::Reply> reply,
                      const Logger& logger, RefusalLog* refusals) {
  const Said said{.request = &request, .entry = &entry, .logger = &logger, .refusals = refusals};
  if (!reply.ok()) return EngineFailure(reply.status());
  if (!reply->response) {
    if (reply->error)
      return ErrorAnswer(reply->error->http_status, OneError(reply->error->message));
    const bool asked = request.operation == Operation::kRead ||
                       request.operation == Operation::kList ||
                       request.operation == Operation::kHelp;
    return asked ? EmptyErrorAnswer(404) : NoContent();
  }
  mounts::Response& response = *reply->response;
  const absl::StatusOr<ObjectSummary> summary = Summarize(response.data, kMaxReplyJsonDepth);
  if (!summary.ok()) {
    return Refusal(
        said, RefusedPart::kData,
        Concat({"the plugin's answer cannot be read: ", ToStd(summary.status().message())}));
  }
  if (reply->error) {
    const int status = StatusBesideResponse(reply->error->http_status);
    return IsReportedError(*summary) ? ReportedError(status, response.data)
                                     : ErrorAnswer(status, OneError(reply->error->message));
  }
  if (IsReportedError(*summary)) return ReportedError(400, response.data);
  if (request.operation == Operation::kHelp) return JsonAnswer(200, std::move(response.data));
  if (summary->has_http_status) return RawAnswer(said, response.data);
  if (!response.redirect.empty()) return Redirect(said, response.redirect);
  if (request.operation == Operation::kList && !summary->has_list && response.warnings.empty()) {
    return EmptyErrorAnswer(404);
  }
  return AnswerForData(request, entry, limits, std::move(response));
}

void AnswerFromMount(const Dependencies& dependencies, Call call, AnswerCallback respond) {
  if (IsWrite(call.operation) && call.written_path.ends_with("/")) {
    respond(ErrorAnswer(400, "cannot write to a path ending in '/'"));
    return;
  }
  std::optional<mounts::Route> route = dependencies.host.router->Find(call.path);
  if (!route || route->mount->engine == nullptr) {
    // Whoever may not use the path is not told whether it is one.
    if (!MayAsk(*dependencies.host.authorizer, call.identity, CapabilityFor(call.operation),
                call.path, call.data)) {
      return respond(Denied());
    }
    if (!route && dependencies.host.router->IsMoving(call.path)) {
      return respond(
          BusyAnswer(Concat({"a mount is being moved from or to \"", call.path, "\"; try again"})));
    }
    return respond(route ? UnsupportedPath()
                         : ErrorAnswer(404, Concat({"no handler for route \"", call.path,
                                                    "\". route entry not found."})));
  }
  // The engine's root has the mount's name, however it is written.
  if (route->path.empty()) call.path = route->mount->entry.path;
  auto mount_call = std::make_shared<MountCall>();
  mount_call->mount = route->mount;
  mount_call->request =
      EngineRequest(dependencies, route->mount->entry, call, std::move(route->path));
  mount_call->identity = std::move(call.identity);
  mount_call->full_path = std::move(call.path);
  mount_call->authorizer = dependencies.host.authorizer;
  mount_call->leases = dependencies.host.leases;
  mount_call->tokens = dependencies.host.tokens;
  mount_call->executor = dependencies.host.executor;
  mount_call->clock = dependencies.host.clock;
  mount_call->limits = &dependencies.host.limits;
  mount_call->logger = &dependencies.host.logger;
  mount_call->refusals = dependencies.refusals.get();
  mount_call->respond = std::move(respond);
  if (mount_call->request.operation == Operation::kUpdate) {
    WriteIfAllowed(mount_call);
  } else {
    AskIfAllowed(mount_call);
  }
}

}  // namespace belfry::api
