// A request as a plugin gets it, a serialized pb.Request, through routing, fields and a handler to
// the reply. (plugin-protocol 5.3, 5.5, 5.6, 5.7)

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/utf8.h"
#include "belfry/engine.h"
#include "sdk/src/testing/fake_storage.h"
#include "sdk/src/translation.h"
#include "tests/fuzz/fuzz.h"

namespace belfry::internal {
namespace {

Result Echo(Request& request) {
  return Response::Data(request.data());
}

void DefineLoans(Engine& engine) {
  SecretKind& loan = engine.Secret("loan");
  loan.OnRenew(
      [](Request&, const LeasedSecret& leased) -> absl::StatusOr<Lease> { return leased.lease; });
  loan.OnRevoke([](Request&, const LeasedSecret&) { return absl::OkStatus(); });
  engine.Path("lend", "Lends.").OnRead([&loan](Request& request) -> Result {
    return Response::Secret(loan, request.data(),
                            {.ttl = absl::Hours(1), .internal = request.data()});
  });
  engine.OnRenewLogin(
      [](Request&, const GivenGrant& given) -> absl::StatusOr<Grant> { return given.grant; });
  engine.Path("login", "Logs in.").OnWrite([](Request& request) -> Result {
    return Response::Login({.alias = request.caller().display_name,
                            .lease = {.ttl = absl::Hours(1), .internal = request.data()}});
  });
}

// One route of each kind, with a field of each type.
void Define(Engine& engine) {
  DefineLoans(engine);
  Route& item = engine.Path("items/{name}", "One item.");
  item.Param("name");
  const auto text = item.Field<std::string>("text", "A text.");
  item.Field<std::int64_t>("count", "A number.");
  item.Field<double>("share", "A fraction.");
  item.Field<bool>("on", "A switch.");
  item.Field<absl::Duration>("ttl", "A duration.");
  item.Field<absl::Time>("since", "A time.");
  item.Field<std::vector<std::string>>("names", "A list.");
  item.Field<std::vector<std::int64_t>>("numbers", "A list.");
  item.Field<std::map<std::string, std::string>>("labels", "A map.");
  item.Field<Json>("any", "Anything.");
  item.Require(text);
  item.OnRead(Echo).OnWrite(Echo).OnPatch(Echo);
  item.OnDelete([](Request&) -> Result { return Response::NoContent(); });
  engine.Path("items/", "All items.").OnList([](Request& request) -> Result {
    return Response::List({std::string(request.path())});
  });
  engine.Path("fail/{code...}", "Fails.").OnRead([](Request& request) -> Result {
    const auto code = static_cast<absl::StatusCode>(request.path().size() % 17);
    if (code == absl::StatusCode::kOk) return Response::WithStatus(418, request.data());
    return absl::Status(code, absl::string_view(request.path().data(), request.path().size()));
  });
}

class NoEvents final : public EventSender {
  std::vector<absl::Status> DoSend(absl::Span<const Event> events) override {
    return std::vector<absl::Status>(events.size());
  }
  void LogFailure(std::string_view, const absl::Status&) override {}
};

struct Mount {
  testing::InMemoryFakeStorage storage;
  NoEvents events;
  std::unique_ptr<EngineInstance> engine = *EngineInstance::Create(
      Define,
      {.options = {}, .backend_uuid = "fuzz", .storage = &storage, .events = &events, .now = [] {
         return absl::UnixEpoch();
       }});
};

void ExamineObject(std::string_view text) {
  const absl::StatusOr<Json> object = Json::Parse(text);
  BELFRY_CLAIM(object.ok() && object->if_object() != nullptr);
}

// Go hosts fail the whole request without the time. (plugin-protocol 5.4)
void ExamineLease(bool has_options, const pb::LeaseOptions& options, std::string_view internal) {
  BELFRY_CLAIM(!has_options || options.has_issue_time());
  ExamineObject(internal);
}

// What hosts need of every reply: data that is an object or null, valid text, an error that they
// know, leases that are whole.
void ExamineReply(const pb::HandleRequestReply& reply) {
  BELFRY_CLAIM(reply.err().err_type() <= 10);
  BELFRY_CLAIM(IsUtf8(reply.err().err_msg()));
  if (!reply.has_response()) return;
  const pb::Response& response = reply.response();
  if (response.data() != "null") ExamineObject(response.data());
  const pb::Secret& secret = response.secret();
  if (response.has_secret())
    ExamineLease(secret.has_lease_options(), secret.lease_options(), secret.internal_data());
  const pb::Auth& auth = response.auth();
  if (response.has_auth())
    ExamineLease(auth.has_lease_options(), auth.lease_options(), auth.internal_data());
  for (const std::string& warning : response.warnings()) BELFRY_CLAIM(IsUtf8(warning));
  pb::HandleRequestReply read;
  BELFRY_CLAIM(read.ParseFromString(reply.SerializeAsString()));
}

void ExamineRequest(Mount& mount, const pb::Request& request) {
  absl::StatusOr<IncomingRequest> incoming = ToIncoming(request);
  if (!incoming.ok()) {
    BELFRY_CLAIM(incoming.status().code() == absl::StatusCode::kInvalidArgument);
    return;
  }
  incoming->storage = &mount.storage;
  incoming->events = &mount.events;
  const absl::StatusOr<std::optional<bool>> exists = mount.engine->CheckExistence(*incoming);
  BELFRY_CLAIM(!exists.ok() || !exists->value_or(false));
  ExamineReply(ToReply(mount.engine->Handle(*incoming), request, absl::UnixEpoch()));
}

}  // namespace
}  // namespace belfry::internal

void belfry::fuzz::Examine(std::string_view input) {
  // Shared by all inputs: nothing in it remembers a request.
  static auto* mount = new internal::Mount();
  pb::Request request;
  if (!request.ParseFromArray(input.data(), static_cast<int>(input.size()))) return;
  internal::ExamineRequest(*mount, request);
}
