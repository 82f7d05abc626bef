#include "server/api/system_endpoints.h"

#include <memory>
#include <utility>
#include <vector>

#include "base/http_status.h"
#include "base/ids.h"
#include "base/strings.h"
#include "base/text.h"
#include "server/api/authentication.h"
#include "server/api/capability_endpoints.h"
#include "server/api/explain_endpoints.h"
#include "server/api/json_text.h"
#include "server/api/lease_endpoints.h"
#include "server/api/mount_entries.h"
#include "server/api/plugin_endpoints.h"
#include "server/api/policy_endpoints.h"
#include "server/api/responses.h"
#include "server/api/role_endpoints.h"
#include "server/api/sys_mounts.h"
#include "server/api/token_endpoints.h"

namespace belfry::api {
namespace {

using mounts::Operation;

constexpr std::string_view kUiMounts = "sys/internal/ui/mounts";
constexpr std::string_view kNamespaces = "sys/namespaces";
constexpr std::string_view kUnsupportedPath = "unsupported path";

// Endpoints that are answered elsewhere, once the caller is known to be allowed.
struct Family {
  bool (*has)(std::string_view path);
  void (*answer)(const Dependencies& dependencies, Call call, Respond respond);
};

constexpr Family kFamilies[] = {{&IsMountsPath, &AnswerMounts},
                                {&IsPolicyPath, &AnswerPolicies},
                                {&IsTokenPath, &AnswerTokens},
                                {&IsPluginsPath, &AnswerPlugins},
                                {&IsLeasesPath, &AnswerLeases},
                                {&IsExplainPath, &AnswerExplain},
                                {&IsCapabilitiesPath, &AnswerCapabilities}};

std::string WithSlash(std::string_view path) {
  return Concat({path, path.ends_with("/") ? "" : "/"});
}

}  // namespace

SystemEndpoints::SystemEndpoints(const Dependencies* dependencies)
    : dependencies_(*dependencies),
      cluster_name_(Concat({"belfry-cluster-", NewUuid().substr(0, 8)})),
      cluster_id_(NewUuid()),
      token_accessor_(NewMountAccessor("auth_token")),
      token_uuid_(NewUuid()) {}

std::optional<HttpResponse> SystemEndpoints::AnswerAnyone(const HttpRequest& request,
                                                          std::string_view path) const {
  const bool get = request.method == "GET";
  if (path == "sys/health") {
    return get || request.method == "HEAD" ? Health(request) : EmptyErrorAnswer(405);
  }
  if (path == "sys/seal-status") return get ? SealStatus() : EmptyErrorAnswer(405);
  if (path == "sys/leader") {
    if (!get) return EmptyErrorAnswer(405);
    return JsonAnswer(200, R"({"ha_enabled":false,"is_self":false,)"
                           R"("active_time":"0001-01-01T00:00:00Z","leader_address":"",)"
                           R"("leader_cluster_address":"","performance_standby":false,)"
                           R"("performance_standby_last_remote_wal":0})");
  }
  if (path == "sys/init" && get) return JsonAnswer(200, R"({"initialized":true})");
  if (path == kUiMounts && get && TokenOf(request).empty()) {
    return EnvelopeAnswer({.request_id = NewUuid(), .data = R"({"auth":{},"secret":{}})"});
  }
  return std::nullopt;
}

HttpResponse SystemEndpoints::Health(const HttpRequest& request) const {
  int status = 200;
  if (const std::string* wanted = request.Query("activecode")) {
    status = ToNumber(*wanted).value_or(0);
    if (!IsAnswerStatus(status)) {
      return ErrorAnswer(400, Concat({"invalid parameter for activecode: ", *wanted}));
    }
  }
  return JsonAnswer(status,
                    ObjectText()
                        .Bool("initialized", true)
                        .Bool("sealed", false)
                        .Bool("standby", false)
                        .Bool("performance_standby", false)
                        .Text("replication_performance_mode", "disabled")
                        .Text("replication_dr_mode", "disabled")
                        .Number("server_time_utc", absl::ToUnixSeconds(dependencies_.clock->Now()))
                        .Text("version", dependencies_.version)
                        .Bool("enterprise", false)
                        .Text("cluster_name", cluster_name_)
                        .Text("cluster_id", cluster_id_)
                        .Number("echo_duration_ms", 0)
                        .Number("clock_skew_ms", 0)
                        .Number("replication_primary_canary_age_ms", 0)
                        .Finish());
}

HttpResponse SystemEndpoints::SealStatus() const {
  return JsonAnswer(200, ObjectText()
                             .Text("type", "shamir")
                             .Bool("initialized", true)
                             .Bool("sealed", false)
                             .Number("t", 1)
                             .Number("n", 1)
                             .Number("progress", 0)
                             .Text("nonce", "")
                             .Text("version", dependencies_.version)
                             .Text("build_date", "")
                             .Bool("migration", false)
                             .Text("cluster_name", cluster_name_)
                             .Text("cluster_id", cluster_id_)
                             .Bool("recovery_seal", false)
                             .Text("storage_type", "inmem")
                             .Finish());
}

bool SystemEndpoints::Owns(std::string_view path) const {
  return path == "sys" || path.starts_with("sys/") || path == "auth/token" || IsTokenPath(path);
}

void SystemEndpoints::Answer(Call call, Respond respond) const {
  if (call.path.starts_with(Concat({kUiMounts, "/"}))) {
    respond(MountForUi(call));
    return;
  }
  // As in Vault: for every token, with what it may know of. (vault-api-and-events 8)
  if (call.path == kUiMounts && call.operation == Operation::kRead)
    return respond(ListMountsForUi(call));
  if (IsRolePath(call.path)) {
    AnswerRoles(dependencies_, std::move(call), std::move(respond));
    return;
  }
  if (!MayAsk(*dependencies_.authorizer, call.identity, CapabilityFor(call.operation), call.path,
              call.data)) {
    respond(Denied());
    return;
  }
  AnswerAllowed(std::move(call), std::move(respond));
}

void SystemEndpoints::AnswerAllowed(Call call, Respond respond) const {
  absl::StatusOr<Fields> fields = ReadFields(call.path, call.operation, call.data);
  if (!fields.ok()) return respond(ErrorAnswer(400, ToStd(fields.status().message())));
  call.fields = *std::move(fields);
  for (const Family& family : kFamilies) {
    if (!family.has(call.path)) continue;
    family.answer(dependencies_, std::move(call), std::move(respond));
    return;
  }
  if (call.path == kNamespaces || call.path.starts_with(Concat({kNamespaces, "/"}))) {
    respond(ErrorAnswer(404, "enterprise-only feature"));
    return;
  }
  // Lists and metrics are as long as there is much to tell.
  RespondOnExecutor(dependencies_, std::move(respond),
                    [this, call = std::move(call)] { return AnswerKnown(call); });
}

HttpResponse SystemEndpoints::AnswerKnown(const Call& call) const {
  static constexpr Endpoint kEndpoints[] = {
      {"sys/auth", Operation::kRead, &SystemEndpoints::AuthMethods},
      {"sys/experiments", Operation::kRead, &SystemEndpoints::Experiments},
      {"sys/metrics", Operation::kRead, &SystemEndpoints::MetricsText},
      {"sys/mounts", Operation::kRead, &SystemEndpoints::ListMounts},
  };
  for (const Endpoint& endpoint : kEndpoints) {
    if (endpoint.path != call.path) continue;
    if (endpoint.operation == call.operation) return (this->*endpoint.handler)(call);
    return UnsupportedOperation();
  }
  return ErrorAnswer(404, OneError(kUnsupportedPath));
}

HttpResponse SystemEndpoints::Injected(const Call& call, std::string_view data) const {
  return InjectedAnswer({.request_id = call.id, .data = data, .mount_type = "system"});
}

HttpResponse SystemEndpoints::Experiments(const Call& call) const {
  return EnvelopeAnswer({.request_id = call.id,
                         .data = R"({"available":["events.alpha1"],"enabled":["events.alpha1"]})",
                         .mount_type = "system"});
}

HttpResponse SystemEndpoints::MetricsText(const Call& call) const {
  const std::string format = call.fields.Text("format");
  if (!format.empty() && format != "prometheus") {
    return ErrorAnswer(
        400, Concat({"metric response format must be \"prometheus\", not \"", format, "\""}));
  }
  return api::Answer(200, "text/plain; version=0.0.4; charset=utf-8",
                     dependencies_.metrics->PrometheusText());
}

std::string SystemEndpoints::TokenMethodText(bool effective) const {
  const std::int64_t ttl = effective ? 2764800 : 0;
  const std::string config = ObjectText()
                                 .Number("default_lease_ttl", ttl)
                                 .Bool("force_no_cache", false)
                                 .Number("max_lease_ttl", ttl)
                                 .Text("token_type", "default-service")
                                 .Finish();
  const std::string method = ObjectText()
                                 .Text("accessor", token_accessor_)
                                 .Raw("config", config)
                                 .Text("description", "token based credentials")
                                 .Bool("external_entropy_access", false)
                                 .Bool("local", false)
                                 .Raw("options", "null")
                                 .Text("plugin_version", "")
                                 .Text("running_plugin_version", "")
                                 .Text("running_sha256", "")
                                 .Bool("seal_wrap", false)
                                 .Text("type", "token")
                                 .Text("uuid", token_uuid_)
                                 .Finish();
  return ObjectText().Raw("token/", method).Finish();
}

HttpResponse SystemEndpoints::AuthMethods(const Call& call) const {
  return Injected(call, TokenMethodText(false));
}

HttpResponse SystemEndpoints::ListMounts(const Call& call) const {
  ObjectText data;
  for (const std::shared_ptr<const mounts::Mount>& mount : dependencies_.mounts->List()) {
    data.Raw(mount->entry.path, MountObject(*mount, MountDetail::kAsConfigured));
  }
  return Injected(call, data.Finish());
}

HttpResponse SystemEndpoints::ListMountsForUi(const Call& call) const {
  ObjectText secret;
  for (const std::shared_ptr<const mounts::Mount>& mount : dependencies_.mounts->List()) {
    if (!dependencies_.authorizer->ReachesInto(call.identity, mount->entry.path)) continue;
    secret.Raw(mount->entry.path, MountObject(*mount, MountDetail::kEffective));
  }
  const std::string data =
      ObjectText().Raw("auth", TokenMethodText(true)).Raw("secret", secret.Finish()).Finish();
  return EnvelopeAnswer({.request_id = call.id, .data = data});
}

HttpResponse SystemEndpoints::MountForUi(const Call& call) const {
  if (call.operation != Operation::kRead) return UnsupportedOperation();
  const std::string path = WithSlash(std::string_view(call.path).substr(kUiMounts.size() + 1));
  const std::optional<mounts::Route> route = dependencies_.mounts->Find(path);
  if (!route || !dependencies_.authorizer->ReachesInto(call.identity, route->mount->entry.path)) {
    return ErrorAnswer(403, Concat({"preflight capability check returned 403, please ensure "
                                    "client's policies grant access to path \"",
                                    path, "\""}));
  }
  const std::string data = MountObject(*route->mount, MountDetail::kEffective);
  return EnvelopeAnswer({.request_id = call.id, .data = data});
}

}  // namespace belfry::api
