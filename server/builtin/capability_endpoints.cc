#include "server/builtin/endpoint.h"

#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include "base/paths.h"
#include "base/strings.h"
#include "base/text.h"
#include "server/access/acl.h"
#include "server/access/authorizer.h"
#include "server/access/token_store.h"
#include "server/builtin/canonical_names.h"
#include "server/builtin/json_text.h"

namespace belfry::builtin {
namespace {

using mounts::Operation;

constexpr std::string_view kByToken = "sys/capabilities";
constexpr std::string_view kSelf = "sys/capabilities-self";
constexpr std::string_view kByAccessor = "sys/capabilities-accessor";

std::variant<access::Identity, Answer> OwnerOf(const Dependencies& dependencies,
                                               const std::string& token) {
  if (token.empty()) return ErrorAnswer(400, OneError("missing token"));
  absl::StatusOr<access::Identity> owner = dependencies.authorizer->Authenticate(token);
  if (!owner.ok()) return ErrorAnswer(400, OneError("invalid token"));
  return *std::move(owner);
}

std::variant<access::Identity, Answer> OwnerOfAccessor(const Dependencies& dependencies,
                                                       const std::string& accessor) {
  if (accessor.empty()) return ErrorAnswer(400, "missing accessor");
  access::TokenStore::TokenPtr token = dependencies.tokens->FindByAccessor(accessor);
  if (token == nullptr) return UnknownAccessor();
  return access::IdentityOf(std::move(token));
}

// Whose capabilities are asked for.
std::variant<access::Identity, Answer> Subject(const Dependencies& dependencies, const Call& call) {
  if (call.path == kSelf) return call.identity;
  return call.path == kByToken ? OwnerOf(dependencies, call.fields.Text("token"))
                               : OwnerOfAccessor(dependencies, call.fields.Text("accessor"));
}

// What a request could not ask for need not be asked about.
std::optional<Answer> RefuseQuestion(const std::vector<std::string>& paths, const Limits& limits) {
  if (paths.empty()) return ErrorAnswer(400, "paths must be supplied");
  if (paths.size() > limits.max_capability_paths) {
    return ErrorAnswer(400, Concat({"more than ", std::to_string(limits.max_capability_paths),
                                    " paths; ask again about the others"}));
  }
  for (const std::string& path : paths) {
    if (std::optional<Answer> refusal = RefuseLongPath(path, limits)) return refusal;
  }
  return std::nullopt;
}

// On the name that a request for `path` is about. No request is about a path that is not clean.
std::vector<std::string> CapabilitiesOn(const access::Acl& rules, std::string_view path) {
  const std::string name = WithCanonicalNames(WithoutPrefix(path, "/"));
  if (!rules.root() && !IsCleanPath(name)) return {"deny"};
  return rules.CapabilitiesOn(name);
}

Answer Capabilities(const Dependencies& dependencies, const Call& call) {
  const std::variant<access::Identity, Answer> subject = Subject(dependencies, call);
  if (const auto* refusal = std::get_if<Answer>(&subject)) return *refusal;
  std::vector<std::string> paths = call.fields.List("paths");
  if (paths.empty()) paths = call.fields.List("path");
  if (std::optional<Answer> refusal = RefuseQuestion(paths, dependencies.limits)) {
    return *std::move(refusal);
  }
  // Once for all paths: rules that are too many to be kept are put together for each question.
  const std::shared_ptr<const access::Acl> rules =
      dependencies.authorizer->RulesOf(std::get<access::Identity>(subject));
  std::map<std::string, std::string> lists;
  for (const std::string& path : paths) lists[path] = ArrayText(CapabilitiesOn(*rules, path));
  // What old clients read.
  if (paths.size() == 1) lists.emplace("capabilities", lists.begin()->second);
  ObjectText object;
  for (const auto& [path, list] : lists) object.Raw(path, list);
  std::string data = object.Finish();
  return InjectedAnswer({.request_id = call.id, .data = std::move(data), .mount_type = "system"});
}

constexpr DeclaredField kByTokenFields[] = {
    {"path", FieldKind::kTextList}, {"paths", FieldKind::kTextList}, {"token", FieldKind::kText}};
constexpr DeclaredField kSelfFields[] = {{"path", FieldKind::kTextList},
                                         {"paths", FieldKind::kTextList}};
constexpr DeclaredField kByAccessorFields[] = {{"accessor", FieldKind::kText},
                                               {"path", FieldKind::kTextList},
                                               {"paths", FieldKind::kTextList}};

constexpr Endpoint kEndpoints[] = {
    {.path = kByToken,
     .operation = Operation::kUpdate,
     .fields = kByTokenFields,
     .answer = &Capabilities},
    {.path = kSelf,
     .operation = Operation::kUpdate,
     .fields = kSelfFields,
     .answer = &Capabilities},
    {.path = kByAccessor,
     .operation = Operation::kUpdate,
     .fields = kByAccessorFields,
     .answer = &Capabilities},
};

}  // namespace

std::span<const Endpoint> CapabilityEndpoints() {
  return kEndpoints;
}

}  // namespace belfry::builtin
