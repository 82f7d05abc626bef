#include "server/api/policy_endpoints.h"

#include <memory>
#include <utility>
#include <vector>

#include "base/strings.h"
#include "base/text.h"
#include "server/access/policy_store.h"
#include "server/api/json_text.h"
#include "server/api/responses.h"

namespace belfry::api {
namespace {

using mounts::Operation;

constexpr std::string_view kNew = "sys/policies/acl";
constexpr std::string_view kOld = "sys/policy";

bool IsAtOrBelow(std::string_view path, std::string_view folder) {
  return path.starts_with(folder) && (path.size() == folder.size() || path[folder.size()] == '/');
}

bool IsOld(const Call& call) {
  return IsAtOrBelow(call.path, kOld);
}

// What follows the folder in `path`; empty for the folder itself.
std::string_view NameIn(const Call& call, std::string_view path) {
  return WithoutPrefix(path.substr((IsOld(call) ? kOld : kNew).size()), "/");
}

std::string_view NameIn(const Call& call) {
  return NameIn(call, call.path);
}

HttpResponse Data(const Call& call, std::string_view data) {
  const Envelope envelope{.request_id = call.id, .data = data, .mount_type = "system"};
  return IsOld(call) ? InjectedAnswer(envelope) : EnvelopeAnswer(envelope);
}

HttpResponse Failure(const absl::Status& status) {
  const bool mistake = status.code() == absl::StatusCode::kInvalidArgument;
  return ErrorAnswer(mistake ? 400 : 500, ToStd(status.message()));
}

HttpResponse List(const Dependencies& dependencies, const Call& call) {
  const std::string names = ArrayText(dependencies.policies->Names());
  ObjectText data;
  data.Raw("keys", names);
  if (IsOld(call)) data.Raw("policies", names);
  return Data(call, data.Finish());
}

HttpResponse Read(const Dependencies& dependencies, const Call& call) {
  const auto policy = dependencies.policies->Find(NameIn(call));
  if (policy == nullptr) return EmptyErrorAnswer(404);
  return Data(call, ObjectText()
                        .Text("name", policy->name)
                        .Text(IsOld(call) ? "rules" : "policy", policy->text)
                        .Finish());
}

HttpResponse Write(const Dependencies& dependencies, const Call& call) {
  std::vector<std::string> warnings;
  std::string text = call.fields.Text("policy");
  if (text.empty() && IsOld(call) && call.fields.Has("rules")) {
    text = call.fields.Text("rules");
    warnings.emplace_back("'rules' is deprecated, please use 'policy' instead");
  }
  const std::string_view name = NameIn(call);
  if (name != WithoutSuffix(NameIn(call, call.written_path), "/")) {
    warnings.push_back(Concat({"policy name was converted to ", name}));
  }
  const absl::Status status = dependencies.policies->Put(name, text);
  if (!status.ok()) return Failure(status);
  return Done(call, call.fields, std::move(warnings));
}

HttpResponse Delete(const Dependencies& dependencies, const Call& call) {
  const absl::Status status = dependencies.policies->Delete(NameIn(call));
  return status.ok() ? NoContent() : Failure(status);
}

HttpResponse Answer(const Dependencies& dependencies, const Call& call) {
  const bool folder = NameIn(call).empty();
  if (folder &&
      (call.operation == Operation::kList || (IsOld(call) && call.operation == Operation::kRead))) {
    return List(dependencies, call);
  }
  if (folder) return UnsupportedOperation();
  switch (call.operation) {
    case Operation::kRead:
      return Read(dependencies, call);
    case Operation::kUpdate:
      return Write(dependencies, call);
    case Operation::kDelete:
      return Delete(dependencies, call);
    default:
      return UnsupportedOperation();
  }
}

}  // namespace

bool IsPolicyPath(std::string_view path) {
  return IsAtOrBelow(path, kNew) || IsAtOrBelow(path, kOld);
}

void AnswerPolicies(const Dependencies& dependencies, Call call, Respond respond) {
  AnswerOnExecutor(dependencies, std::move(call), std::move(respond), &Answer);
}

}  // namespace belfry::api
