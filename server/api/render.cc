#include "server/api/render.h"

#include <utility>

#include "server/builtin/json_text.h"

namespace belfry::api {
namespace {

using builtin::Answer;
using builtin::ArrayText;
using builtin::Envelope;
using builtin::ObjectText;

constexpr char kJson[] = "application/json";

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

std::string ErrorsText(const Answer& answer) {
  ObjectText text;
  text.Raw("errors", ArrayText(answer.errors));
  if (!answer.data.empty()) text.Raw("data", answer.data);
  return text.Finish();
}

HttpResponse JsonResponse(int status, std::string json) {
  json += '\n';
  return TextResponse(status, kJson, std::move(json));
}

HttpResponse RenderBody(Answer& answer) {
  switch (answer.body) {
    case Answer::Body::kNone:
    case Answer::Body::kSealServer:
    case Answer::Body::kSnapshot:
      break;
    case Answer::Body::kEnvelope:
      return JsonResponse(answer.status, EnvelopeText(answer.envelope, ObjectText()));
    case Answer::Body::kInjected: {
      ObjectText text;
      text.Members(answer.envelope.data);
      return JsonResponse(answer.status, EnvelopeText(answer.envelope, std::move(text)));
    }
    case Answer::Body::kErrors:
      return JsonResponse(answer.status, ErrorsText(answer));
    case Answer::Body::kText:
      return TextResponse(answer.status, answer.content_type, std::move(answer.text));
  }
  return TextResponse(answer.status, kJson, "");
}

void SetHeader(HttpResponse* response, std::string name, std::string value) {
  for (auto& [known, old] : response->headers) {
    if (known == name) {
      old = std::move(value);
      return;
    }
  }
  response->headers.emplace_back(std::move(name), std::move(value));
}

}  // namespace

HttpResponse TextResponse(int status, std::string_view content_type, std::string text) {
  HttpResponse response;
  response.status = status;
  response.headers = {{"Cache-Control", "no-store"},
                      {"Content-Type", std::string(content_type)},
                      {"Strict-Transport-Security", "max-age=31536000; includeSubDomains"}};
  response.body = std::move(text);
  return response;
}

HttpResponse Render(Answer answer, std::string_view space) {
  HttpResponse response = RenderBody(answer);
  if (!space.empty()) SetHeader(&response, "X-Vault-Namespace", std::string(space));
  for (auto& [name, value] : answer.headers) SetHeader(&response, name, std::move(value));
  return response;
}

}  // namespace belfry::api
