#include "server/api/request_parsing.h"

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "base/duration.h"
#include "base/escaping.h"
#include "base/strings.h"
#include "base/text.h"
#include "server/builtin/answer.h"
#include "server/builtin/json_text.h"
#include "server/encode/encode.h"

namespace belfry::api {

using builtin::Answer;
using builtin::ArrayText;
using builtin::EmptyErrorAnswer;
using builtin::ErrorAnswer;
using builtin::kMaxRequestJsonDepth;
using builtin::kMaxRequestJsonValues;
using builtin::NotUtf8At;
using builtin::ObjectSummary;
using builtin::ObjectText;
using builtin::Summarize;

namespace {

using mounts::Operation;

// What is taken apart takes up many times its size.
constexpr std::size_t kMaxFormBytes = 1024 * 1024;

// A media type without its parameters, in lower case; "" when it is none.
std::string MediaType(std::string_view header) {
  const std::string_view type = Stripped(header.substr(0, header.find(';')));
  const std::size_t slash = type.find('/');
  if (slash == 0 || slash == std::string_view::npos || slash + 1 == type.size()) return "";
  if (type.find_first_of(" \t,=\"", 0) != std::string_view::npos) return "";
  return Lower(type);
}

std::variant<Operation, Answer> GetOperation(const HttpRequest& request) {
  const std::string* help = request.Query("help");
  if (help != nullptr && ParseBool(*help).value_or(false)) return Operation::kHelp;
  const std::string* list = request.Query("list");
  if (list == nullptr || list->empty()) return Operation::kRead;
  const std::optional<bool> wanted = ParseBool(*list);
  if (!wanted) return ErrorAnswer(400, Concat({"invalid parameter for list: ", *list}));
  return *wanted ? Operation::kList : Operation::kRead;
}

std::variant<Operation, Answer> PatchOperation(const HttpRequest& request) {
  const std::string_view content_type = request.Header("Content-Type");
  const std::string media_type = MediaType(content_type);
  if (media_type.empty()) {
    return ErrorAnswer(
        400, Concat({"PATCH requires a Content-Type; this is none: \"", content_type, "\""}));
  }
  if (media_type == "application/merge-patch+json") return Operation::kPatch;
  return ErrorAnswer(415, Concat({"PATCH requires Content-Type of application/merge-patch+json, "
                                  "provided ",
                                  content_type}));
}

// Parameters as a JSON object: a name that occurs more than once has an array of its values.
std::string ParametersText(const std::vector<std::pair<std::string, std::string>>& parameters) {
  std::map<std::string, std::vector<std::string>> values;
  for (const auto& [name, value] : parameters) values[name].push_back(value);
  if (values.empty()) return "null";
  ObjectText text;
  for (const auto& [name, all] : values) {
    if (all.size() == 1) {
      text.Text(name, all.front());
    } else {
      text.Raw(name, ArrayText(all));
    }
  }
  return text.Finish();
}

// JSON could not hold it, and whatever took its place would be another value.
std::optional<Answer> RefuseParameters(
    const std::vector<std::pair<std::string, std::string>>& parameters) {
  for (const auto& [name, value] : parameters) {
    if (const auto place = NotUtf8At(name)) {
      return ErrorAnswer(
          400, Concat({"the name of a parameter is not UTF-8 at byte ", std::to_string(*place)}));
    }
    if (const auto place = NotUtf8At(value)) {
      return ErrorAnswer(400, Concat({"the parameter \"", name, "\" is not UTF-8 at byte ",
                                      std::to_string(*place)}));
    }
  }
  return std::nullopt;
}

std::variant<std::string, Answer> TextOf(
    const std::vector<std::pair<std::string, std::string>>& parameters) {
  if (std::optional<Answer> refusal = RefuseParameters(parameters)) return *std::move(refusal);
  return ParametersText(parameters);
}

std::variant<std::string, Answer> QueryText(const HttpRequest& request, Operation operation) {
  std::vector<std::pair<std::string, std::string>> parameters;
  for (const auto& parameter : request.query) {
    const bool reserved =
        parameter.first == "help" || (operation == Operation::kList && parameter.first == "list");
    if (!reserved) parameters.push_back(parameter);
  }
  return TextOf(parameters);
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::string FormDecoded(std::string_view text) {
  std::string decoded;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && HexDigit(text[i + 1]) >= 0 &&
        HexDigit(text[i + 2]) >= 0) {
      decoded += static_cast<char>(HexDigit(text[i + 1]) * 16 + HexDigit(text[i + 2]));
      i += 2;
    } else {
      decoded += text[i] == '+' ? ' ' : text[i];
    }
  }
  return decoded;
}

// Most often a client that sends something else as a form without having been told to: what is
// dropped might have been a bound.
Answer NeitherJsonNorForm(std::string_view pair) {
  constexpr std::size_t kQuoted = 40;
  return ErrorAnswer(400, Concat({"the body is neither a JSON object nor a form: ",
                                  Quoted(pair.substr(0, kQuoted)), " has no \"=\""}));
}

std::variant<std::string, Answer> FormText(std::string_view body) {
  std::vector<std::pair<std::string, std::string>> parameters;
  for (const std::string_view pair : Split(body, '&')) {
    if (pair.empty()) continue;
    const std::size_t equals = pair.find('=');
    if (equals == pair.npos) return NeitherJsonNorForm(pair);
    parameters.emplace_back(FormDecoded(pair.substr(0, equals)),
                            FormDecoded(pair.substr(equals + 1)));
  }
  return TextOf(parameters);
}

}  // namespace

std::optional<Answer> RefuseNamespace(const HttpRequest& request) {
  std::string_view name = Stripped(request.Header("X-Vault-Namespace"));
  while (name.starts_with('/')) name.remove_prefix(1);
  while (name.ends_with('/')) name.remove_suffix(1);
  if (name.empty() || name == "root") return std::nullopt;
  return ErrorAnswer(
      400, Concat({"there is only the root namespace on this server, no \"", name, "\""}));
}

std::optional<Answer> RefuseWrapping(const HttpRequest& request) {
  const std::string text(request.Header("X-Vault-Wrap-TTL"));
  const std::optional<absl::Duration> ttl = ParseDuration(text);
  const auto unreadable = [](std::string_view why) {
    return ErrorAnswer(400, Concat({"error parsing X-Vault-Wrap-TTL header: ", why}));
  };
  if (!ttl) return unreadable(Concat({"time: invalid duration \"", text, "\""}));
  if (*ttl < absl::ZeroDuration()) return unreadable("requested wrap ttl cannot be negative");
  if (*ttl == absl::ZeroDuration()) return std::nullopt;
  return ErrorAnswer(
      400, "response wrapping is not supported by this server: leave X-Vault-Wrap-TTL out");
}

std::variant<Operation, Answer> OperationOf(const HttpRequest& request) {
  if (request.method == "GET") return GetOperation(request);
  if (request.method == "LIST") return Operation::kList;
  if (request.method == "POST" || request.method == "PUT") return Operation::kUpdate;
  if (request.method == "PATCH") return PatchOperation(request);
  if (request.method == "DELETE") return Operation::kDelete;
  return EmptyErrorAnswer(405);
}

std::variant<std::string, Answer> DataOf(HttpRequest& request, Operation operation) {
  if (operation != Operation::kUpdate && operation != Operation::kPatch) {
    return QueryText(request, operation);
  }
  const std::string_view body = Stripped(request.body);
  if (body.empty()) return std::string("null");
  if (body.front() != '{' && body.front() != '[' &&
      MediaType(request.Header("Content-Type")) == "application/x-www-form-urlencoded") {
    if (body.size() > kMaxFormBytes) return ErrorAnswer(413, "a form may have a mebibyte");
    return FormText(body);
  }
  const absl::StatusOr<ObjectSummary> summary =
      Summarize(request.body, kMaxRequestJsonDepth, kMaxRequestJsonValues);
  if (!summary.ok()) return ErrorAnswer(400, ToStd(summary.status().message()));
  return std::move(request.body);
}

std::string_view BearerToken(const HttpRequest& request) {
  constexpr std::string_view kBearer = "Bearer ";
  const std::string_view value = request.Header("Authorization");
  return value.starts_with(kBearer) ? Stripped(value.substr(kBearer.size())) : std::string_view();
}

}  // namespace belfry::api
