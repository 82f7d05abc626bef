#include "sdk/src/testing/wire_reply.h"

#include <cstdlib>
#include <optional>
#include <utility>

#include "absl/strings/escaping.h"
#include "base/text.h"
#include "sdk/src/lease_translation.h"
#include "sdk/src/outgoing_error.h"
#include "sdk/src/response_access.h"

namespace belfry::testing {
namespace {

absl::StatusOr<Json::Object> ParseObject(std::string_view text) {
  absl::StatusOr<Json> json = Json::Parse(text);
  if (!json.ok()) return absl::InternalError("the plugin's answer is no JSON");
  if (json->is_null()) return Json::Object{};
  if (json->if_object() == nullptr) {
    return absl::InternalError("the plugin's answer is no JSON object");
  }
  return std::move(*json->if_object());
}

// An answer with a status of its own, out of its raw body.
Result FromRaw(int http_status, const Json::Object& raw) {
  if (http_status == 204) return Response::NoContent();
  const auto body = raw.find("http_raw_body");
  const std::string text =
      body == raw.end() || !body->second.if_string() ? "" : *body->second.if_string();
  // Our envelopes are no base64, and all other bodies are. (translation.cc)
  if (std::string bytes; absl::Base64Unescape(text, &bytes)) {
    const Json& content_type = raw.at("http_content_type");
    return Response::Raw(http_status, content_type.if_string() ? *content_type.if_string() : "",
                         std::move(bytes));
  }
  absl::StatusOr<Json::Object> envelope = ParseObject(text);
  if (!envelope.ok()) return envelope.status();
  if (http_status == 404 && !envelope->contains("data")) return Response::NotFound();
  const Json& data = (*envelope)["data"];
  Response response = Response::WithStatus(
      http_status, data.if_object() == nullptr ? Json::Object{} : *data.if_object());
  if (const Json::Array* warnings = std::as_const((*envelope)["warnings"]).if_array()) {
    for (const Json& warning : *warnings) {
      if (warning.if_string() != nullptr) response.AddWarning(*warning.if_string());
    }
  }
  return response;
}

Response FromData(std::string_view operation, Json::Object data) {
  if (operation == "list" && data.empty()) return Response::List({});
  const auto keys = data.find("keys");
  if (operation != "list" || keys == data.end() || keys->second.if_array() == nullptr) {
    return Response::Data(std::move(data));
  }
  std::vector<std::string> names;
  for (const Json& key : *std::as_const(keys->second).if_array()) {
    if (key.if_string() != nullptr) names.push_back(*key.if_string());
  }
  return Response::List(std::move(names));
}

Result FromBody(std::string_view operation, const pb::Response& response, Json::Object data) {
  if (const auto status = data.find("http_status_code");
      status != data.end() && status->second.if_number() != nullptr) {
    return FromRaw(std::atoi(status->second.if_number()->text.c_str()), data);
  }
  if (response.data() == "null") return Response::NoContent();
  return FromData(operation, std::move(data));
}

// Data that hosts take for an error: a member `error` alone. (plugin-protocol 5.6)
std::optional<std::string> ErrorText(const Json::Object& data) {
  const auto error = data.find("error");
  if (data.size() != 1 || error == data.end() || error->second.if_string() == nullptr)
    return std::nullopt;
  return *error->second.if_string();
}

// What stands beside the data.
absl::Status AddAround(const pb::Response& message, Response& response) {
  for (const auto& [name, header] : message.headers()) {
    for (const std::string& value : header.header()) response.AddHeader(name, value);
  }
  if (message.has_wrap_info()) response.WrapFor(absl::Nanoseconds(message.wrap_info().ttl()));
  if (message.has_secret()) {
    absl::StatusOr<internal::IncomingSecret> secret = internal::FromProto(message.secret());
    if (!secret.ok()) return secret.status();
    internal::ResponseAccess::SetLease(response, secret->kind, std::move(secret->secret.lease));
  }
  if (message.has_auth()) {
    absl::StatusOr<GivenGrant> given = internal::FromProto(message.auth());
    if (!given.ok()) return given.status();
    internal::ResponseAccess::SetGrant(response, std::move(given->grant));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status FromProto(const pb::ProtoError& error) {
  return internal::ToStatus({.type = static_cast<internal::ErrorType>(error.err_type()),
                             .message = error.err_msg(),
                             .http_status = static_cast<int>(error.err_code())});
}

Result FromReply(std::string_view operation, const pb::HandleRequestReply& reply) {
  const bool is_query = operation == "read" || operation == "list";
  absl::StatusOr<Json::Object> data = Json::Object{};
  if (reply.has_response()) data = ParseObject(reply.response().data());
  if (!data.ok()) return data.status();
  if (reply.has_err()) return FromProto(reply.err());
  if (!reply.has_response()) return is_query ? Response::NotFound() : Response::NoContent();
  if (const std::optional<std::string> error = ErrorText(*data))
    return absl::InvalidArgumentError(ToAbsl(*error));
  Result response = FromBody(operation, reply.response(), *std::move(data));
  if (!response.ok()) return response;
  for (const std::string& warning : reply.response().warnings()) response->AddWarning(warning);
  if (absl::Status status = AddAround(reply.response(), *response); !status.ok()) return status;
  return response;
}

}  // namespace belfry::testing
