// An HTTP request on its way to an engine: method, Content-Type, path, query "name=value" on a line
// each, then the body.

#include <string>
#include <variant>

#include "server/api/canonical_path.h"
#include "server/api/render.h"
#include "server/api/request_parsing.h"
#include "server/builtin/canonical_names.h"
#include "server/builtin/json_text.h"
#include "tests/fuzz/fuzz.h"

namespace belfry::api {
namespace {

HttpRequest Read(std::string_view input) {
  HttpRequest request;
  request.method = fuzz::TakeLine(input);
  request.headers.emplace_back("Content-Type", fuzz::TakeLine(input));
  request.path = fuzz::TakeLine(input);
  const std::string_view parameter = fuzz::TakeLine(input);
  const std::size_t equals = std::min(parameter.find('='), parameter.size());
  if (!parameter.empty()) {
    request.query.emplace_back(parameter.substr(0, equals),
                               parameter.substr(std::min(equals + 1, parameter.size())));
  }
  request.body = input;
  return request;
}

// A path that is let through names one thing only, whoever reads it.
void ExaminePath(std::string_view path) {
  if (path.starts_with('/') || builtin::RefusePath(path, Limits())) return;
  for (std::string_view rest = path; !rest.empty();) {
    const std::size_t end = std::min(rest.find('/'), rest.size());
    const std::string_view segment = rest.substr(0, end);
    BELFRY_CLAIM(!segment.empty() && segment != "." && segment != "..");
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  for (const unsigned char c : path) BELFRY_CLAIM(c >= 0x20 && c != 0x7f);
  for (const mounts::Operation operation : {mounts::Operation::kRead, mounts::Operation::kList}) {
    const std::optional<std::string> name = CanonicalPath(path, operation);
    if (!name) continue;
    BELFRY_CLAIM(CanonicalPath(*name, operation) == name);
    BELFRY_CLAIM(!builtin::RefusePath(*name, Limits()));
    BELFRY_CLAIM(name->empty() || name->ends_with('/') == (operation == mounts::Operation::kList));
  }
}

// A redirect leads to a path of this server that is not redirected again.
void ExamineRedirect(HttpRequest request) {
  request.target = request.path;
  const std::optional<builtin::Answer> refusal = RefuseTarget(request, Limits());
  if (!refusal || refusal->status != 307) return;
  for (const auto& [name, value] : refusal->headers) {
    if (name != "Location") continue;
    BELFRY_CLAIM(value.starts_with('/') && !value.starts_with("//"));
    for (const char c : value) BELFRY_CLAIM(c > 0x20 && c < 0x7f && c != '\\');
    request.target = value;
    request.path = value.substr(0, value.find('?'));
    const std::optional<builtin::Answer> again = RefuseTarget(request, Limits());
    BELFRY_CLAIM(!again || again->status == 400);
  }
}

// The engine gets the text of an object or null, whatever came; or the client is told.
void ExamineData(HttpRequest request) {
  const std::variant<mounts::Operation, builtin::Answer> operation = OperationOf(request);
  if (const auto* refusal = std::get_if<builtin::Answer>(&operation)) {
    BELFRY_CLAIM(refusal->status >= 400 && refusal->status < 500);
    return;
  }
  const std::variant<std::string, builtin::Answer> data =
      DataOf(request, std::get<mounts::Operation>(operation));
  if (const auto* refusal = std::get_if<builtin::Answer>(&data)) {
    BELFRY_CLAIM(refusal->status == 400);
    BELFRY_CLAIM(builtin::Summarize(Render(*refusal).body, builtin::kMaxReplyJsonDepth).ok());
  } else {
    BELFRY_CLAIM(
        builtin::Summarize(std::get<std::string>(data), builtin::kMaxRequestJsonDepth).ok());
  }
}

}  // namespace
}  // namespace belfry::api

void belfry::fuzz::Examine(std::string_view input) {
  api::HttpRequest request = api::Read(input);
  api::ExaminePath(request.path);
  if (request.path.starts_with('/')) api::ExamineRedirect(request);
  api::ExamineData(std::move(request));
}
