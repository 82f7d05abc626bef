#include "sdk/src/testing/wire_reply.h"

#include <cstdlib>
#include <utility>

#include "sdk/src/testing/error_status.h"

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
  if (http_status == 404 && body == raw.end()) return Response::NotFound();
  if (body == raw.end() || body->second.if_string() == nullptr) {
    return absl::InternalError("the plugin's raw answer has no body");
  }
  absl::StatusOr<Json::Object> envelope = ParseObject(*body->second.if_string());
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

}  // namespace

Result FromReply(std::string_view operation, const pb::HandleRequestReply& reply) {
  const bool is_query = operation == "read" || operation == "list";
  absl::StatusOr<Json::Object> data = Json::Object{};
  if (reply.has_response()) data = ParseObject(reply.response().data());
  if (!data.ok()) return data.status();
  if (reply.has_err()) {
    return ToStatus({.type = static_cast<internal::ErrorType>(reply.err().err_type()),
                     .message = reply.err().err_msg(),
                     .http_status = static_cast<int>(reply.err().err_code())});
  }
  if (!reply.has_response()) return is_query ? Response::NotFound() : Response::NoContent();
  if (const auto status = data->find("http_status_code");
      status != data->end() && status->second.if_number() != nullptr) {
    return FromRaw(std::atoi(status->second.if_number()->text.c_str()), *data);
  }
  const bool is_null = reply.response().data() == "null";
  Response response = is_null ? Response::NoContent() : FromData(operation, *std::move(data));
  for (const std::string& warning : reply.response().warnings()) response.AddWarning(warning);
  return response;
}

}  // namespace belfry::testing
