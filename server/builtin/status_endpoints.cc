#include <memory>
#include <utility>
#include <vector>

#include "base/strings.h"
#include "base/text.h"
#include "server/access/acl.h"
#include "server/access/authorizer.h"
#include "server/builtin/endpoint.h"
#include "server/builtin/json_text.h"
#include "server/builtin/mount_entries.h"

namespace belfry::builtin {
namespace {

using mounts::Operation;

constexpr std::string_view kUiMounts = "sys/internal/ui/mounts";

std::string WithSlash(std::string_view path) {
  return Concat({path, path.ends_with("/") ? "" : "/"});
}

Answer Injected(const Call& call, std::string data) {
  return InjectedAnswer({.request_id = call.id, .data = std::move(data), .mount_type = "system"});
}

Answer Experiments(const Dependencies&, const Call& call) {
  return EnvelopeAnswer({.request_id = call.id,
                         .data = R"({"available":["events.alpha1"],"enabled":["events.alpha1"]})",
                         .mount_type = "system"});
}

Answer MetricsText(const Dependencies& dependencies, const Call& call) {
  return MetricsAnswer(*dependencies.metrics, call.fields.Text("format"));
}

Answer AuthMethods(const Dependencies& dependencies, const Call& call) {
  return Injected(call,
                  MountsObject(dependencies.limits, *dependencies.router, mounts::MountClass::kAuth,
                               MountDetail::kAsConfigured, [](const auto&) { return true; }));
}

Answer ListMounts(const Dependencies& dependencies, const Call& call) {
  return Injected(
      call, MountsObject(dependencies.limits, *dependencies.router, mounts::MountClass::kSecret,
                         MountDetail::kAsConfigured, [](const auto&) { return true; }));
}

Answer ListMountsForUi(const Dependencies& dependencies, const Call& call) {
  const std::shared_ptr<const access::Acl> rules =
      call.authenticated ? dependencies.authorizer->RulesOf(call.identity) : nullptr;
  const auto may_know = [&](const mounts::MountEntry& entry) {
    return rules != nullptr && rules->ReachesInto(entry.path);
  };
  const auto known = [&](mounts::MountClass mount_class) {
    return MountsObject(dependencies.limits, *dependencies.router, mount_class,
                        MountDetail::kEffective, may_know);
  };
  std::string data = ObjectText()
                         .Raw("auth", known(mounts::MountClass::kAuth))
                         .Raw("secret", known(mounts::MountClass::kSecret))
                         .Finish();
  return EnvelopeAnswer({.request_id = call.id, .data = std::move(data)});
}

Answer MountForUi(const Dependencies& dependencies, const Call& call) {
  const std::string path = WithSlash(std::string_view(call.path).substr(kUiMounts.size() + 1));
  const std::optional<mounts::Route> route = dependencies.router->Find(path);
  if (!route ||
      !dependencies.authorizer->RulesOf(call.identity)->ReachesInto(route->mount->entry.path)) {
    return ErrorAnswer(403, Concat({"preflight capability check returned 403, please ensure "
                                    "client's policies grant access to path \"",
                                    path, "\""}));
  }
  std::string data = MountObject(dependencies.limits, *route->mount, MountDetail::kEffective);
  return EnvelopeAnswer({.request_id = call.id, .data = std::move(data)});
}

// Namespaces are a part of Vault's other editions.
Answer Namespaces(const Dependencies&, const Call&) {
  return ErrorAnswer(404, "enterprise-only feature");
}

constexpr Endpoint Question(std::string_view path, Right right, Place place, Handler answer,
                            std::span<const DeclaredField> fields = {}) {
  return {.path = path,
          .operation = Operation::kRead,
          .right = right,
          .place = place,
          .fields = fields,
          .answer = answer};
}

constexpr DeclaredField kFormat[] = {{"format", FieldKind::kText}};

// Lists and metrics are as long as there is much to tell.
constexpr Endpoint kEndpoints[] = {
    Question("sys/auth", Right::kPolicies, Place::kExecutor, &AuthMethods),
    Question("sys/experiments", Right::kPolicies, Place::kExecutor, &Experiments),
    Question("sys/metrics", Right::kPolicies, Place::kExecutor, &MetricsText, kFormat),
    Question("sys/mounts", Right::kPolicies, Place::kExecutor, &ListMounts),
    // As in Vault: for every token, with what it may know of. (vault-api-and-events 8)
    Question(kUiMounts, Right::kAnyTokenOrNone, Place::kExecutor, &ListMountsForUi),
    Question("sys/internal/ui/mounts/*", Right::kAnyToken, Place::kExecutor, &MountForUi),
    {.path = "sys/namespaces", .place = Place::kHere, .answer = &Namespaces},
    {.path = "sys/namespaces/*", .place = Place::kHere, .answer = &Namespaces},
};

}  // namespace

std::span<const Endpoint> StatusEndpoints() {
  return kEndpoints;
}

}  // namespace belfry::builtin
