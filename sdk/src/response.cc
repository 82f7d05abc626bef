#include "belfry/response.h"

#include "absl/strings/cord.h"
#include "absl/strings/numbers.h"
#include "base/text.h"
#include "belfry/engine.h"
#include "sdk/src/response_access.h"

namespace belfry {
namespace {

constexpr char kHttpStatusPayload[] = "belfry/http-status";

absl::StatusCode CodeFor(int http_status) {
  switch (http_status) {
    case 400:
      return absl::StatusCode::kInvalidArgument;
    case 401:
      return absl::StatusCode::kUnauthenticated;
    case 403:
      return absl::StatusCode::kPermissionDenied;
    case 404:
      return absl::StatusCode::kNotFound;
    default:
      return http_status < 500 ? absl::StatusCode::kFailedPrecondition
                               : absl::StatusCode::kInternal;
  }
}

}  // namespace

Response Response::Data(Json::Object members) {
  Response response(Kind::kData);
  response.data_ = std::move(members);
  return response;
}

Response Response::List(std::vector<std::string> keys) {
  Response response(Kind::kList);
  Json::Array array(keys.begin(), keys.end());
  response.data_.emplace("keys", std::move(array));
  return response;
}

Response Response::NoContent() {
  return Response(Kind::kNoContent);
}

Response Response::NotFound() {
  return Response(Kind::kNotFound);
}

Response Response::WithStatus(int http_status, Json::Object members) {
  Response response = Data(std::move(members));
  response.http_status_ = http_status;
  return response;
}

Response Response::Raw(int http_status, std::string content_type, std::string body) {
  Response response(Kind::kRaw);
  response.http_status_ = http_status;
  response.content_type_ = std::move(content_type);
  response.body_ = std::move(body);
  return response;
}

Response Response::Secret(const SecretKind& kind, Json::Object members, Lease lease) {
  Response response = Data(std::move(members));
  internal::ResponseAccess::SetLease(response, std::string(kind.name()), std::move(lease));
  return response;
}

Response Response::Login(Grant grant) {
  Response response = Data({});
  response.grant_ = std::move(grant);
  return response;
}

Response& Response::AddWarning(std::string warning) {
  warnings_.push_back(std::move(warning));
  return *this;
}

Response& Response::AddHeader(std::string_view name, std::string value) {
  headers_[std::string(name)].push_back(std::move(value));
  return *this;
}

Response& Response::WrapFor(absl::Duration ttl) {
  wrap_ttl_ = ttl;
  return *this;
}

absl::Status HttpError(int http_status, std::string_view message) {
  absl::Status status(CodeFor(http_status), ToAbsl(message));
  status.SetPayload(kHttpStatusPayload, absl::Cord(std::to_string(http_status)));
  return status;
}

std::optional<int> HttpStatusOf(const absl::Status& status) {
  const absl::optional<absl::Cord> payload = status.GetPayload(kHttpStatusPayload);
  int number = 0;
  if (!payload || !absl::SimpleAtoi(std::string(*payload), &number)) return std::nullopt;
  return number;
}

}  // namespace belfry
