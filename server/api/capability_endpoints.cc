#include "server/api/capability_endpoints.h"

#include <map>
#include <memory>
#include <utility>
#include <variant>
#include <vector>

#include "server/access/authorizer.h"
#include "server/access/token_store.h"
#include "server/api/fields.h"
#include "server/api/json_text.h"
#include "server/api/responses.h"

namespace belfry::api {
namespace {

constexpr std::string_view kByToken = "sys/capabilities";
constexpr std::string_view kSelf = "sys/capabilities-self";
constexpr std::string_view kByAccessor = "sys/capabilities-accessor";

std::variant<access::Identity, HttpResponse> OwnerOf(const Dependencies& dependencies,
                                                     const std::string& token) {
  if (token.empty()) return ErrorAnswer(400, OneError("missing token"));
  absl::StatusOr<access::Identity> owner = dependencies.authorizer->Authenticate(token);
  if (!owner.ok()) return ErrorAnswer(400, OneError("invalid token"));
  return *std::move(owner);
}

std::variant<access::Identity, HttpResponse> OwnerOfAccessor(const Dependencies& dependencies,
                                                             const std::string& accessor) {
  if (accessor.empty()) return ErrorAnswer(400, "missing accessor");
  access::TokenStore::TokenPtr token = dependencies.tokens->FindByAccessor(accessor);
  if (token == nullptr) return UnknownAccessor();
  return access::IdentityOf(std::move(token));
}

// Whose capabilities are asked for.
std::variant<access::Identity, HttpResponse> Subject(const Dependencies& dependencies,
                                                     const Call& call, const Fields& fields) {
  if (call.path == kSelf) return call.identity;
  return call.path == kByToken ? OwnerOf(dependencies, fields.Text("token"))
                               : OwnerOfAccessor(dependencies, fields.Text("accessor"));
}

}  // namespace

bool IsCapabilitiesPath(std::string_view path) {
  return path == kByToken || path == kSelf || path == kByAccessor;
}

HttpResponse AnswerCapabilities(const Dependencies& dependencies, const Call& call) {
  if (call.operation != mounts::Operation::kUpdate) {
    return UnsupportedOperation();
  }
  const Fields fields(call.data);
  const std::variant<access::Identity, HttpResponse> subject = Subject(dependencies, call, fields);
  if (const auto* refusal = std::get_if<HttpResponse>(&subject)) return *refusal;
  std::vector<std::string> paths = fields.List("paths");
  if (paths.empty()) paths = fields.List("path");
  if (paths.empty()) return ErrorAnswer(400, "paths must be supplied");
  std::map<std::string, std::string> lists;
  for (const std::string& path : paths) {
    lists[path] = ArrayText(
        dependencies.authorizer->CapabilitiesOn(std::get<access::Identity>(subject), path));
  }
  // What old clients read.
  if (paths.size() == 1) lists.emplace("capabilities", lists.begin()->second);
  ObjectText object;
  for (const auto& [path, list] : lists) object.Raw(path, list);
  const std::string data = object.Finish();
  return InjectedAnswer({.request_id = call.id, .data = data, .mount_type = "system"});
}

}  // namespace belfry::api
