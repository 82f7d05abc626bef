#include "server/api/responses.h"

#include <utility>

#include "base/text.h"
#include "server/api/json_text.h"

namespace belfry::api {
namespace {

std::string EnvelopeText(const Envelope& envelope, ObjectText text) {
  return text.Text("request_id", envelope.request_id)
      .Text("lease_id", envelope.lease_id)
      .Bool("renewable", envelope.renewable)
      .Number("lease_duration", envelope.lease_duration)
      .Raw("data", envelope.data)
      .Raw("wrap_info", "null")
      .Raw("warnings", envelope.warnings.empty() ? "null" : ArrayText(envelope.warnings))
      .Raw("auth", envelope.auth)
      .Text("mount_type", envelope.mount_type)
      .Finish();
}

}  // namespace

HttpResponse Answer(int status, std::string_view content_type, std::string body) {
  HttpResponse response;
  response.status = status;
  response.headers = {{"Cache-Control", "no-store"},
                      {"Content-Type", std::string(content_type)},
                      {"Strict-Transport-Security", "max-age=31536000; includeSubDomains"}};
  response.body = std::move(body);
  return response;
}

HttpResponse JsonAnswer(int status, std::string json) {
  json += '\n';
  return Answer(status, "application/json", std::move(json));
}

HttpResponse ErrorAnswer(int status, std::string_view text) {
  return JsonAnswer(status, ObjectText().Raw("errors", ArrayText({std::string(text)})).Finish());
}

HttpResponse BusyAnswer(std::string_view text) {
  HttpResponse answer = ErrorAnswer(503, text);
  answer.headers.emplace_back("Retry-After", "1");
  return answer;
}

HttpResponse EmptyErrorAnswer(int status) {
  return JsonAnswer(status, R"({"errors":[]})");
}

HttpResponse NoContent() {
  return Answer(204, "application/json", "");
}

std::string OneError(std::string_view text) {
  return Concat({"1 error occurred:\n\t* ", text, "\n\n"});
}

HttpResponse UnsupportedOperation() {
  return ErrorAnswer(405, OneError("unsupported operation"));
}

HttpResponse UnknownAccessor() {
  return ErrorAnswer(400, OneError("invalid accessor"));
}

HttpResponse Denied() {
  return ErrorAnswer(403, OneError("permission denied"));
}

HttpResponse TooBusy() {
  return BusyAnswer("the server is too busy; try again");
}

HttpResponse InvalidToken() {
  return ErrorAnswer(403, "2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n");
}

HttpResponse SubscriptionRefused(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kUnauthenticated:
      return InvalidToken();
    case absl::StatusCode::kPermissionDenied:
      return Denied();
    case absl::StatusCode::kResourceExhausted:
      return TooBusy();
    default:
      return ErrorAnswer(400, ToStd(status.message()));
  }
}

HttpResponse EnvelopeAnswer(const Envelope& envelope) {
  return JsonAnswer(200, EnvelopeText(envelope, ObjectText()));
}

HttpResponse InjectedAnswer(const Envelope& envelope) {
  ObjectText text;
  text.Members(envelope.data);
  return JsonAnswer(200, EnvelopeText(envelope, std::move(text)));
}

}  // namespace belfry::api
