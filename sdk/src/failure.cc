#include "sdk/src/failure.h"

#include <string>

#include "base/http_status.h"
#include "base/text.h"
#include "sdk/src/engine_instance.h"
#include "sdk/src/guard.h"
#include "sdk/src/outgoing_error.h"

namespace belfry::internal {
namespace {

absl::Status Refused(std::string_view why) {
  return absl::InternalError(ToAbsl(Concat({"the plugin's answer was refused: ", why})));
}

bool IsServersFault(const absl::Status& failure) {
  switch (ToError(failure).type) {
    case ErrorType::kUnknown:
    case ErrorType::kInternal:
    case ErrorType::kUnrecoverable:
      return true;
    default:
      return false;
  }
}

void LogFailure(const absl::Status& failure, const IncomingRequest& request, const Log& log) {
  log.Error("a request failed",
            {{"operation", request.operation},
             {"path", request.path},
             {"error", failure.ToString(absl::StatusToStringMode::kWithNoExtraData)},
             {"request_id", request.id}});
}

}  // namespace

absl::Status Reported(const absl::Status& failure, const IncomingRequest& request, const Log& log) {
  const std::optional<int> http_status = HttpStatusOf(failure);
  if (http_status && !IsErrorStatus(*http_status)) {
    const absl::Status refused = Refused(
        Concat({"HttpError takes a status from 400 to 599, not ", std::to_string(*http_status)}));
    LogFailure(refused, request, log);
    return refused;
  }
  if (!IsServersFault(failure)) return failure;
  LogFailure(failure, request, log);
  if (!IsException(failure)) return failure;
  return absl::InternalError(
      ToAbsl(Concat({"the plugin failed at this request; the server's log says why",
                     request.id.empty() ? "" : ", at request_id=", request.id})));
}

absl::Status CheckAnswer(const Response& response, EngineKind kind) {
  if (response.http_status() && !IsAnswerStatus(*response.http_status())) {
    return Refused(Concat({"an answer has an HTTP status from 200 to 599, not ",
                           std::to_string(*response.http_status())}));
  }
  if (response.grant() && kind != EngineKind::kAuth) {
    return Refused(
        "Response::Login is for engines that are served as EngineKind::kAuth, and this one is "
        "served as EngineKind::kSecrets");
  }
  return absl::OkStatus();
}

}  // namespace belfry::internal
