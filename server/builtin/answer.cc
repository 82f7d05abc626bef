#include "server/builtin/answer.h"

#include <utility>

#include "base/text.h"

namespace belfry::builtin {

Answer TextAnswer(int status, std::string_view content_type, std::string text) {
  return {.status = status,
          .body = Answer::Body::kText,
          .content_type = std::string(content_type),
          .text = std::move(text)};
}

Answer JsonAnswer(int status, std::string json) {
  json += '\n';
  return TextAnswer(status, "application/json", std::move(json));
}

Answer MetricsAnswer(Metrics& metrics, std::string_view format) {
  if (!format.empty() && format != "prometheus") {
    return ErrorAnswer(
        400, Concat({"metric response format must be \"prometheus\", not \"", format, "\""}));
  }
  return TextAnswer(200, "text/plain; version=0.0.4; charset=utf-8", metrics.PrometheusText());
}

Answer ErrorAnswer(int status, std::string_view text) {
  return {.status = status, .body = Answer::Body::kErrors, .errors = {std::string(text)}};
}

Answer BusyAnswer(std::string_view text) {
  Answer answer = ErrorAnswer(503, text);
  answer.headers.emplace_back("Retry-After", "1");
  return answer;
}

Answer EmptyErrorAnswer(int status) {
  return {.status = status, .body = Answer::Body::kErrors};
}

Answer StatusAnswer(int status) {
  return {.status = status};
}

Answer NoContent() {
  return StatusAnswer(204);
}

std::string OneError(std::string_view text) {
  return Concat({"1 error occurred:\n\t* ", text, "\n\n"});
}

Answer UnsupportedOperation() {
  return ErrorAnswer(405, OneError("unsupported operation"));
}

Answer UnsupportedPath() {
  return ErrorAnswer(404, OneError("unsupported path"));
}

Answer UnknownAccessor() {
  return ErrorAnswer(400, OneError("invalid accessor"));
}

Answer Denied() {
  return ErrorAnswer(403, OneError("permission denied"));
}

Answer TooBusy() {
  return BusyAnswer("the server is too busy; try again");
}

Answer InvalidToken() {
  return ErrorAnswer(403, "2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n");
}

Answer SubscriptionRefusal(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kUnauthenticated:
      return InvalidToken();
    case absl::StatusCode::kPermissionDenied:
      return Denied();
    case absl::StatusCode::kAborted:
    case absl::StatusCode::kUnavailable:
      return ErrorAnswer(503, ToStd(status.message()));
    default:
      return ErrorAnswer(400, ToStd(status.message()));
  }
}

Answer SealRefusal(const absl::Status& status) {
  if (absl::IsInvalidArgument(status)) return ErrorAnswer(400, ToStd(status.message()));
  return ErrorAnswer(absl::IsUnavailable(status) ? 503 : 500, ToStd(status.message()));
}

Answer EnvelopeAnswer(Envelope envelope) {
  return {.body = Answer::Body::kEnvelope, .envelope = std::move(envelope)};
}

Answer InjectedAnswer(Envelope envelope) {
  return {.body = Answer::Body::kInjected, .envelope = std::move(envelope)};
}

}  // namespace belfry::builtin
