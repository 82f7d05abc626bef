// A request as a plugin gets it, through routing, fields and a handler to the reply: operation and
// path on a line each, then `data`. (plugin-protocol 5.3, 5.6, 5.7)

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "belfry/engine.h"
#include "sdk/src/testing/fake_storage.h"
#include "sdk/src/translation.h"
#include "sdk/src/utf8.h"
#include "tests/fuzz/fuzz.h"

namespace belfry::internal {
namespace {

Result Echo(Request& request) {
  return Response::Data(request.data());
}

// One route of each kind, with a field of each type.
void Define(SecretsEngine& engine) {
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
  absl::Status DoSend(std::string_view, std::map<std::string, std::string>) override {
    return absl::OkStatus();
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

// What hosts need of every reply: data that is an object or null, valid text, an error that they
// know.
void ExamineReply(const pb::HandleRequestReply& reply) {
  BELFRY_CLAIM(reply.err().err_type() <= 10);
  BELFRY_CLAIM(IsUtf8(reply.err().err_msg()));
  if (!reply.has_response()) return;
  const absl::StatusOr<Json> data = Json::Parse(reply.response().data());
  BELFRY_CLAIM(data.ok());
  BELFRY_CLAIM(data->is_null() || data->if_object() != nullptr);
  for (const std::string& warning : reply.response().warnings()) BELFRY_CLAIM(IsUtf8(warning));
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
  ExamineReply(ToReply(mount.engine->Handle(*incoming), request));
}

}  // namespace
}  // namespace belfry::internal

void belfry::fuzz::Examine(std::string_view input) {
  // Shared by all inputs: nothing in it remembers a request.
  static auto* mount = new internal::Mount();
  pb::Request request;
  request.set_id("00000000-0000-4000-8000-000000000000");
  request.set_operation(std::string(TakeLine(input)));
  request.set_path(std::string(TakeLine(input)));
  request.set_data(std::string(input));
  // No transport delivers other text.
  if (!internal::IsUtf8(request.path()) || !internal::IsUtf8(request.data())) return;
  internal::ExamineRequest(*mount, request);
}
