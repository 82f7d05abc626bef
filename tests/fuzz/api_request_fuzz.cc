// An HTTP request on its way to an engine: method, Content-Type, path, query "name=value" on a line
// each, then the body.

#include <string>
#include <variant>

#include "server/api/json_text.h"
#include "server/api/request_parsing.h"
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
  if (RefusePath(path)) return;
  for (std::string_view rest = path; !rest.empty();) {
    const std::size_t end = std::min(rest.find('/'), rest.size());
    const std::string_view segment = rest.substr(0, end);
    BELFRY_CLAIM(segment != "." && segment != "..");
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  for (const unsigned char c : path) BELFRY_CLAIM(c >= 0x20 && c != 0x7f);
}

// The engine gets the text of an object or null, whatever came; or the client is told.
void ExamineData(HttpRequest request) {
  const std::variant<mounts::Operation, HttpResponse> operation = OperationOf(request);
  if (const auto* refusal = std::get_if<HttpResponse>(&operation)) {
    BELFRY_CLAIM(refusal->status >= 400 && refusal->status < 500);
    return;
  }
  const std::variant<std::string, HttpResponse> data =
      DataOf(request, std::get<mounts::Operation>(operation));
  if (const auto* refusal = std::get_if<HttpResponse>(&data)) {
    BELFRY_CLAIM(refusal->status == 400);
    BELFRY_CLAIM(Summarize(refusal->body, kMaxReplyJsonDepth).ok());
  } else {
    BELFRY_CLAIM(Summarize(std::get<std::string>(data), kMaxRequestJsonDepth).ok());
  }
}

}  // namespace
}  // namespace belfry::api

void belfry::fuzz::Examine(std::string_view input) {
  api::HttpRequest request = api::Read(input);
  api::ExaminePath(request.path);
  api::ExamineData(std::move(request));
}
