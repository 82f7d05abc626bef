// A plugin's answer, a serialized pb.HandleRequestReply, and what an HTTP client gets of it.
// (plugin-protocol 5.3, 5.6)

#include <string>
#include <utility>

#include "server/api/engine_answer.h"
#include "server/api/engine_requests.h"
#include "server/api/render.h"
#include "server/builtin/json_text.h"
#include "server/plugin_host/reply_conversion.h"
#include "tests/fuzz/fuzz.h"

namespace belfry::plugin_host {
namespace {

mounts::MountEntry Entry() {
  mounts::MountEntry entry;
  entry.path = "notes/";
  entry.type = "notes";
  return entry;
}

void ExamineHeaders(const api::HttpResponse& answer) {
  for (const auto& [name, value] : answer.headers) {
    BELFRY_CLAIM(!name.empty());
    BELFRY_CLAIM(api::IsHeaderValue(value));
    if (name != "Location") continue;
    BELFRY_CLAIM(value.starts_with('/') && !value.starts_with("//"));
    BELFRY_CLAIM(value.find('\\') == std::string::npos);
  }
}

// An answer that HTTP can carry, and an error is one that clients can read.
void ExamineAnswer(const api::HttpResponse& answer, bool raw) {
  BELFRY_CLAIM(answer.status >= 200 && answer.status <= 599);
  ExamineHeaders(answer);
  if (raw || answer.body.empty()) return;
  BELFRY_CLAIM(builtin::Summarize(answer.body, 2 * builtin::kMaxReplyJsonDepth).ok());
}

void ExamineReply(const pb::HandleRequestReply& reply, mounts::Operation operation) {
  mounts::Request request;
  request.id = "00000000-0000-4000-8000-000000000000";
  request.operation = operation;
  mounts::Reply converted = FromProto(reply);
  if (converted.error) {
    BELFRY_CLAIM(converted.error->http_status >= 400 && converted.error->http_status <= 599);
  }
  const bool raw = converted.response && !converted.error &&
                   converted.response->data.find("http_status_code") != std::string::npos;
  static const mounts::MountEntry entry = Entry();
  ExamineAnswer(api::Render(api::AnswerForReply(request, entry, Limits(), std::move(converted))),
                raw);
}

}  // namespace
}  // namespace belfry::plugin_host

void belfry::fuzz::Examine(std::string_view input) {
  pb::HandleRequestReply reply;
  if (!reply.ParseFromArray(input.data(), static_cast<int>(input.size()))) return;
  for (const mounts::Operation operation :
       {mounts::Operation::kRead, mounts::Operation::kList, mounts::Operation::kUpdate}) {
    plugin_host::ExamineReply(reply, operation);
  }
}
