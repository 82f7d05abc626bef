#include "server/builtin/endpoint.h"

#include <memory>
#include <utility>
#include <vector>

#include "base/paths.h"
#include "base/strings.h"
#include "base/text.h"
#include "server/access/policy_store.h"
#include "server/builtin/json_text.h"

namespace belfry::builtin {
namespace {

using mounts::Operation;

constexpr std::string_view kNew = "sys/policies/acl";
constexpr std::string_view kOld = "sys/policy";

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

Answer Data(const Call& call, std::string data) {
  Envelope envelope{.request_id = call.id, .data = std::move(data), .mount_type = "system"};
  return IsOld(call) ? InjectedAnswer(std::move(envelope)) : EnvelopeAnswer(std::move(envelope));
}

Answer Failure(const absl::Status& status) {
  const bool mistake = status.code() == absl::StatusCode::kInvalidArgument;
  return ErrorAnswer(mistake ? 400 : 500, ToStd(status.message()));
}

Answer List(const Dependencies& dependencies, const Call& call) {
  const std::string names = ArrayText(dependencies.policies->Names());
  ObjectText data;
  data.Raw("keys", names);
  if (IsOld(call)) data.Raw("policies", names);
  return Data(call, data.Finish());
}

Answer Read(const Dependencies& dependencies, const Call& call) {
  const auto policy = dependencies.policies->Find(NameIn(call));
  if (policy == nullptr) return EmptyErrorAnswer(404);
  return Data(call, ObjectText()
                        .Text("name", policy->name)
                        .Text(IsOld(call) ? "rules" : "policy", policy->text)
                        .Finish());
}

Answer Write(const Dependencies& dependencies, const Call& call) {
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

Answer Delete(const Dependencies& dependencies, const Call& call) {
  const absl::Status status = dependencies.policies->Delete(NameIn(call));
  return status.ok() ? NoContent() : Failure(status);
}

// The folder itself names no policy.
template <Handler answer>
Answer OfOne(const Dependencies& dependencies, const Call& call) {
  return NameIn(call).empty() ? UnsupportedOperation() : answer(dependencies, call);
}

Answer ListOrRead(const Dependencies& dependencies, const Call& call) {
  return NameIn(call).empty() ? List(dependencies, call) : Read(dependencies, call);
}

Answer ListFolder(const Dependencies& dependencies, const Call& call) {
  return NameIn(call).empty() ? List(dependencies, call) : UnsupportedOperation();
}

constexpr DeclaredField kPolicy[] = {{"policy", FieldKind::kText}};
constexpr DeclaredField kOldPolicy[] = {{"policy", FieldKind::kText}, {"rules", FieldKind::kText}};

constexpr Endpoint kEndpoints[] = {
    {.path = "sys/policies/acl", .operation = Operation::kRead, .answer = &OfOne<&Read>},
    {.path = "sys/policies/acl/*", .operation = Operation::kList, .answer = &ListFolder},
    {.path = "sys/policies/acl/*", .operation = Operation::kRead, .answer = &OfOne<&Read>},
    {.path = "sys/policies/acl/*",
     .operation = Operation::kUpdate,
     .fields = kPolicy,
     .answer = &OfOne<&Write>},
    {.path = "sys/policies/acl/*", .operation = Operation::kDelete, .answer = &OfOne<&Delete>},
    {.path = "sys/policy", .operation = Operation::kRead, .answer = &List},
    {.path = "sys/policy/*", .operation = Operation::kList, .answer = &ListFolder},
    {.path = "sys/policy/*", .operation = Operation::kRead, .answer = &ListOrRead},
    {.path = "sys/policy/*",
     .operation = Operation::kUpdate,
     .fields = kOldPolicy,
     .answer = &OfOne<&Write>},
    {.path = "sys/policy/*", .operation = Operation::kDelete, .answer = &OfOne<&Delete>},
};

}  // namespace

std::span<const Endpoint> PolicyEndpoints() {
  return kEndpoints;
}

}  // namespace belfry::builtin
