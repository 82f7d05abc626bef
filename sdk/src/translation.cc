#include "sdk/src/translation.h"

#include <optional>

#include "absl/strings/escaping.h"
#include "base/text.h"
#include "base/utf8.h"
#include "sdk/src/lease_translation.h"

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

std::string RawResponse(int http_status, std::string body,
                        const std::string& content_type = "application/json") {
  Json::Object raw;
  raw["http_status_code"] = http_status;
  raw["http_content_type"] = content_type;
  if (!body.empty()) raw["http_raw_body"] = std::move(body);
  return Json(std::move(raw)).Dump();
}

// What JSON can carry whatever it is, and hosts decode. (plugin-protocol 5.3)
std::string Base64(std::string_view bytes) {
  return absl::Base64Escape(ToAbsl(bytes));
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

std::string RawBody(int http_status, const Response& response, const pb::Request& request) {
  const bool plain_not_found =
      response.kind() == Response::Kind::kNotFound && response.warnings().empty();
  if (http_status == kNoContentStatus) return "";
  // As a read or list is answered by the host.
  if (plain_not_found) return R"({"errors":[]})";
  // A JSON object is never valid base64, so hosts that try to decode it leave it alone.
  return Envelope(response, request);
}

// What stands beside the data, whatever that is.
bool SetAround(const Response& response, absl::Time now, pb::HandleRequestReply& reply) {
  for (const auto& [name, values] : response.headers()) {
    pb::Header& header = (*reply.mutable_response()->mutable_headers())[ValidUtf8(name)];
    for (const std::string& value : values) header.add_header(ValidUtf8(value));
  }
  if (response.lease()) {
    ToProto(response.secret_kind(), *response.lease(), now,
            *reply.mutable_response()->mutable_secret());
  }
  if (response.grant()) {
    ToProto(*response.grant(), now, *reply.mutable_response()->mutable_auth());
  }
  if (response.wrap_ttl() > absl::ZeroDuration()) {
    pb::ResponseWrapInfo& wrap = *reply.mutable_response()->mutable_wrap_info();
    wrap.set_ttl(absl::ToInt64Nanoseconds(response.wrap_ttl()));
    wrap.mutable_creation_time()->set_seconds(absl::ToUnixSeconds(now));
  }
  return reply.has_response();
}

// A list of nothing has no `keys`, as Vault's framework answers it.
std::string DataText(const Response& response) {
  const bool list = response.kind() == Response::Kind::kList;
  if (list && response.data().at("keys").if_array()->empty()) return "{}";
  return Json(response.data()).Dump();
}

void SetResponse(const Response& response, const pb::Request& request, absl::Time now,
                 pb::HandleRequestReply& reply) {
  const bool has_more = SetAround(response, now, reply);
  if (response.kind() == Response::Kind::kRaw) {
    reply.mutable_response()->set_data(
        RawResponse(*response.http_status(), Base64(response.body()), response.content_type()));
    return;
  }
  if (const std::optional<int> status = ExplicitStatus(response, request)) {
    reply.mutable_response()->set_data(RawResponse(*status, RawBody(*status, response, request)));
    return;
  }
  const bool empty =
      response.kind() == Response::Kind::kNoContent || response.kind() == Response::Kind::kNotFound;
  if (empty && response.warnings().empty() && !has_more) return;
  reply.mutable_response()->set_data(empty ? "null" : DataText(response));
  for (const std::string& warning : response.warnings()) {
    reply.mutable_response()->add_warnings(ValidUtf8(warning));
  }
}

void Fill(const OutgoingError& error, pb::ProtoError& out) {
  out.set_err_type(static_cast<std::uint32_t>(error.type));
  out.set_err_msg(ValidUtf8(error.message));
  if (error.type == ErrorType::kCoded) out.set_err_code(error.http_status);
}

// An answer that says an error, as logical.ErrorResponse.
void SetErrorText(const std::string& message, pb::HandleRequestReply& reply) {
  reply.mutable_response()->set_data(Json(Json::Object{{"error", Json(message)}}).Dump());
}

void SetError(const OutgoingError& error, pb::HandleRequestReply& reply) {
  if (error.type == ErrorType::kInput) return SetErrorText(error.message, reply);
  Fill(error, *reply.mutable_err());
  const std::string& message = reply.err().err_msg();
  // Hosts put their own words in place of these types' messages; ours travel beside them.
  const bool replaced =
      error.type == ErrorType::kInvalidRequest || error.type == ErrorType::kPermissionDenied ||
      (error.type == ErrorType::kUnsupportedOperation && message != kUnsupportedOperationText);
  if (replaced && !message.empty() && !reply.has_response()) {
    SetErrorText(message, reply);
  }
}

template <typename Message, typename T>
absl::Status Read(const Message& message, std::optional<T>& out) {
  auto value = FromProto(message);
  if (!value.ok()) return value.status();
  out = *std::move(value);
  return absl::OkStatus();
}

google::protobuf::RepeatedPtrField<std::string>& SpecialList(SpecialPath kind, pb::Paths& paths) {
  switch (kind) {
    case SpecialPath::kLocalStorage:
      return *paths.mutable_local_storage();
    case SpecialPath::kWriteForwarded:
      return *paths.mutable_write_forwarded_storage();
    case SpecialPath::kBinary:
      return *paths.mutable_binary();
    case SpecialPath::kLimited:
      return *paths.mutable_limited();
    case SpecialPath::kSnapshotRead:
      break;
  }
  return *paths.mutable_allow_snapshot_read();
}

}  // namespace

absl::StatusOr<IncomingRequest> ToIncoming(const pb::Request& request) {
  IncomingRequest incoming;
  incoming.operation = request.operation();
  incoming.id = request.id();
  incoming.path = request.path();
  incoming.caller = {.display_name = request.display_name(),
                     .entity_id = request.entity_id(),
                     .token_accessor = request.client_token_accessor(),
                     .remote_address = request.connection().remote_addr(),
                     .unauthenticated = request.unauthenticated()};
  incoming.wrap_ttl = absl::Nanoseconds(request.wrap_info().ttl());
  for (const auto& [name, header] : request.headers()) {
    incoming.headers[name].assign(header.header().begin(), header.header().end());
  }
  absl::Status status;
  if (request.has_secret()) status.Update(Read(request.secret(), incoming.secret));
  if (request.has_auth()) status.Update(Read(request.auth(), incoming.grant));
  if (!status.ok()) return status;
  if (request.data().empty()) return incoming;
  absl::StatusOr<Json> data = Json::Parse(request.data());
  if (!data.ok()) return data.status();
  if (data->is_null()) return incoming;
  Json::Object* object = data->if_object();
  if (object == nullptr) return absl::InvalidArgumentError("the request's data is no JSON object");
  incoming.data = std::move(*object);
  return incoming;
}

pb::HandleRequestReply ToReply(const OutgoingReply& reply, const pb::Request& request,
                               absl::Time now) {
  pb::HandleRequestReply message;
  if (reply.response) SetResponse(*reply.response, request, now, message);
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

// A list comes with a '/' at the end of its path, and hosts compare literally: each path stands
// there in both forms. (plugin-protocol 5.7)
void AddWithSlash(const std::vector<std::string>& paths,
                  google::protobuf::RepeatedPtrField<std::string>* out) {
  for (const std::string& path : paths) {
    *out->Add() = path;
    if (!path.empty() && !path.ends_with('/') && !path.ends_with('*')) *out->Add() = path + "/";
  }
}

pb::SpecialPathsReply ToReply(const SpecialPaths& paths) {
  pb::SpecialPathsReply message;
  pb::Paths& out = *message.mutable_paths();
  AddWithSlash(paths.root, out.mutable_root());
  AddWithSlash(paths.unauthenticated, out.mutable_unauthenticated());
  for (const std::string& prefix : paths.seal_wrap) out.add_seal_wrap_storage(prefix);
  for (const auto& [kind, marked] : paths.others) {
    for (const std::string& path : marked) *SpecialList(kind, out).Add() = path;
  }
  return message;
}

void ToProto(const absl::Status& status, pb::ProtoError& error) {
  OutgoingError outgoing = ToError(status);
  // The one whose words every host keeps.
  if (outgoing.type == ErrorType::kInput || outgoing.type == ErrorType::kInvalidRequest)
    outgoing.type = ErrorType::kUser;
  Fill(outgoing, error);
}

}  // namespace belfry::internal
