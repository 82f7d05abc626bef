#include "sdk/src/translation.h"

#include "sdk/src/valid_utf8.h"
#include "server/base/text.h"

namespace belfry::internal {
namespace {

constexpr int kNoContentStatus = 204;
constexpr int kNotFoundStatus = 404;

bool IsQuery(const pb::Request& request) {
  return request.operation() == "read" || request.operation() == "list";
}

std::string WarningsText(const std::vector<std::string>& warnings) {
  if (warnings.empty()) return "null";
  return Json(Json::Array(warnings.begin(), warnings.end())).Dump();
}

// Vault's answer body, its members in Vault's order. (vault-api-and-events 3)
std::string Envelope(const Response& response, const pb::Request& request) {
  // No members, no data: as Vault answers.
  const bool has_data = !response.data().empty();
  return Concat({"{\"request_id\":", Json(request.id()).Dump(),
                 ",\"lease_id\":\"\",\"renewable\":false,\"lease_duration\":0,\"data\":",
                 has_data ? Json(response.data()).Dump() : "null",
                 ",\"wrap_info\":null,\"warnings\":", WarningsText(response.warnings()),
                 ",\"auth\":null,\"mount_type\":\"\"}"});
}

std::string RawResponse(int http_status, std::string body) {
  Json::Object raw;
  raw["http_status_code"] = http_status;
  raw["http_content_type"] = "application/json";
  // A JSON object is never valid base64, so hosts that try to decode it leave it alone.
  if (!body.empty()) raw["http_raw_body"] = std::move(body);
  return Json(std::move(raw)).Dump();
}

// The status that cannot be told by leaving the response out, which means 404 to a read or list
// and 204 to everything else.
std::optional<int> ExplicitStatus(const Response& response, const pb::Request& request) {
  if (response.http_status()) return response.http_status();
  if (response.kind() == Response::Kind::kNoContent && IsQuery(request)) return kNoContentStatus;
  if (response.kind() != Response::Kind::kNotFound) return std::nullopt;
  if (!IsQuery(request) || !response.warnings().empty()) return kNotFoundStatus;
  return std::nullopt;
}

// Empty where Vault's own engines leave it out.
std::string RawBody(int http_status, const Response& response, const pb::Request& request) {
  const bool plain_not_found =
      response.kind() == Response::Kind::kNotFound && response.warnings().empty();
  if (http_status == kNoContentStatus || plain_not_found) return "";
  return Envelope(response, request);
}

void SetResponse(const Response& response, const pb::Request& request,
                 pb::HandleRequestReply& reply) {
  if (const std::optional<int> status = ExplicitStatus(response, request)) {
    reply.mutable_response()->set_data(RawResponse(*status, RawBody(*status, response, request)));
    return;
  }
  const bool empty =
      response.kind() == Response::Kind::kNoContent || response.kind() == Response::Kind::kNotFound;
  if (empty && response.warnings().empty()) return;
  reply.mutable_response()->set_data(empty ? "null" : Json(response.data()).Dump());
  for (const std::string& warning : response.warnings()) {
    reply.mutable_response()->add_warnings(ValidUtf8(warning));
  }
}

void SetError(const OutgoingError& error, pb::HandleRequestReply& reply) {
  const std::string message = ValidUtf8(error.message);
  reply.mutable_err()->set_err_type(static_cast<std::uint32_t>(error.type));
  reply.mutable_err()->set_err_msg(message);
  if (error.type == ErrorType::kCoded) reply.mutable_err()->set_err_code(error.http_status);
  // Hosts put their own words in place of these types' messages; ours travel beside them.
  const bool replaced =
      error.type == ErrorType::kInvalidRequest || error.type == ErrorType::kPermissionDenied;
  if (replaced && !message.empty() && !reply.has_response()) {
    reply.mutable_response()->set_data(Json(Json::Object{{"error", Json(message)}}).Dump());
  }
}

}  // namespace

absl::StatusOr<IncomingRequest> ToIncoming(const pb::Request& request) {
  IncomingRequest incoming;
  incoming.operation = request.operation();
  incoming.path = request.path();
  incoming.caller = {.display_name = request.display_name(),
                     .entity_id = request.entity_id(),
                     .token_accessor = request.client_token_accessor(),
                     .remote_address = request.connection().remote_addr()};
  if (request.data().empty()) return incoming;
  absl::StatusOr<Json> data = Json::Parse(request.data());
  if (!data.ok()) return data.status();
  if (data->is_null()) return incoming;
  Json::Object* object = data->if_object();
  if (object == nullptr) return absl::InvalidArgumentError("the request's data is no JSON object");
  incoming.data = std::move(*object);
  return incoming;
}

pb::HandleRequestReply ToReply(const OutgoingReply& reply, const pb::Request& request) {
  pb::HandleRequestReply message;
  if (reply.response) SetResponse(*reply.response, request, message);
  if (reply.error) SetError(*reply.error, message);
  return message;
}

pb::HandleExistenceCheckReply ToReply(const absl::StatusOr<std::optional<bool>>& exists) {
  pb::HandleExistenceCheckReply message;
  if (!exists.ok()) {
    ToProto(exists.status(), *message.mutable_err());
  } else if (exists->has_value()) {
    message.set_check_found(true);
    message.set_exists(**exists);
  }
  return message;
}

pb::SpecialPathsReply ToReply(const SpecialPaths& paths) {
  pb::SpecialPathsReply message;
  pb::Paths& out = *message.mutable_paths();
  for (const std::string& path : paths.root) out.add_root(path);
  for (const std::string& path : paths.unauthenticated) out.add_unauthenticated(path);
  for (const std::string& prefix : paths.seal_wrap) out.add_seal_wrap_storage(prefix);
  return message;
}

void ToProto(const absl::Status& status, pb::ProtoError& error) {
  error.set_err_type(static_cast<std::uint32_t>(ErrorType::kUnknown));
  error.set_err_msg(ValidUtf8(ToStd(status.message())));
}

}  // namespace belfry::internal
