#include "base/glob.h"
#include "server/api/fields.h"

namespace belfry::api {
namespace {

using enum FieldKind;
using mounts::Operation;

constexpr DeclaredField kNewToken[] = {
    {"display_name", kText},
    {"entity_alias", kText},
    {"explicit_max_ttl", kSignedDuration},
    {"id", kText},
    {"lease", kSignedDuration},
    {"meta", kTextMap},
    {"no_default_policy", kBool},
    {"no_parent", kBool},
    {"num_uses", kNumber},
    {"period", kSignedDuration},
    {"policies", kTextList},
    {"renewable", kBool},
    {"ttl", kSignedDuration},
    {"type", kText},
};
constexpr DeclaredField kToken[] = {{"token", kText}};
constexpr DeclaredField kAccessor[] = {{"accessor", kText}};
constexpr DeclaredField kIncrement[] = {{"increment", kDuration}};
constexpr DeclaredField kTokenAndIncrement[] = {{"increment", kDuration}, {"token", kText}};
constexpr DeclaredField kAccessorAndIncrement[] = {{"accessor", kText}, {"increment", kDuration}};
constexpr DeclaredField kRole[] = {
    {"allowed_entity_aliases", kTextList},
    {"allowed_policies", kTextList},
    {"allowed_policies_glob", kTextList},
    {"bound_cidrs", kTextList},
    {"disallowed_policies", kTextList},
    {"disallowed_policies_glob", kTextList},
    {"explicit_max_ttl", kDuration},
    {"orphan", kBool},
    {"path_suffix", kText},
    {"period", kDuration},
    {"renewable", kBool},
    {"token_bound_cidrs", kTextList},
    {"token_explicit_max_ttl", kDuration},
    {"token_no_default_policy", kBool},
    {"token_num_uses", kNumber},
    {"token_period", kDuration},
    {"token_type", kText},
};

constexpr DeclaredField kNewMount[] = {
    {"config", kObject},
    {"config.default_lease_ttl", kLeaseTime},
    {"config.force_no_cache", kBool},
    {"config.max_lease_ttl", kLeaseTime},
    {"config.plugin_version", kText},
    {"description", kText},
    {"external_entropy_access", kBool},
    {"local", kBool},
    {"options", kTextMap},
    {"plugin_name", kText},
    {"plugin_version", kText},
    {"seal_wrap", kBool},
    {"type", kText},
};
constexpr DeclaredField kTuning[] = {
    {"default_lease_ttl", kLeaseTime}, {"description", kText}, {"force_no_cache", kBool},
    {"max_lease_ttl", kLeaseTime},     {"options", kTextMap},  {"plugin_version", kText},
};

constexpr DeclaredField kPolicy[] = {{"policy", kText}};
constexpr DeclaredField kOldPolicy[] = {{"policy", kText}, {"rules", kText}};

constexpr DeclaredField kNewPlugin[] = {
    {"args", kTextList},  {"command", kText}, {"download", kBool}, {"env", kTextList},
    {"oci_image", kText}, {"runtime", kText}, {"sha256", kText},   {"sha_256", kText},
    {"type", kText},      {"version", kText},
};
constexpr DeclaredField kPlugin[] = {{"type", kText}, {"version", kText}};
constexpr DeclaredField kReload[] = {{"mounts", kTextList}, {"plugin", kText}, {"scope", kText}};
constexpr DeclaredField kReloadPlugin[] = {{"scope", kText}};

constexpr DeclaredField kLease[] = {{"lease_id", kText}};
constexpr DeclaredField kRenewal[] = {{"increment", kDuration}, {"lease_id", kText}};
constexpr DeclaredField kRevocation[] = {{"lease_id", kText}, {"sync", kBool}};
constexpr DeclaredField kSync[] = {{"sync", kBool}};

constexpr DeclaredField kCapabilities[] = {
    {"path", kTextList}, {"paths", kTextList}, {"token", kText}};
constexpr DeclaredField kOwnCapabilities[] = {{"path", kTextList}, {"paths", kTextList}};
constexpr DeclaredField kCapabilitiesByAccessor[] = {
    {"accessor", kText}, {"path", kTextList}, {"paths", kTextList}};
constexpr DeclaredField kExplain[] = {{"accessor", kText}, {"path", kText}};
constexpr DeclaredField kFormat[] = {{"format", kText}};

// The first that matches counts.
constexpr DeclaredEndpoint kEndpoints[] = {
    {"auth/token/create", Operation::kUpdate, kNewToken},
    {"auth/token/create-orphan", Operation::kUpdate, kNewToken},
    {"auth/token/create/*", Operation::kUpdate, kNewToken},
    {"auth/token/lookup", Operation::kRead, kToken},
    {"auth/token/lookup", Operation::kUpdate, kToken},
    {"auth/token/lookup-accessor", Operation::kUpdate, kAccessor},
    {"auth/token/renew", Operation::kUpdate, kTokenAndIncrement},
    {"auth/token/renew-accessor", Operation::kUpdate, kAccessorAndIncrement},
    {"auth/token/renew-self", Operation::kUpdate, kIncrement},
    {"auth/token/revoke", Operation::kUpdate, kToken},
    {"auth/token/revoke-accessor", Operation::kUpdate, kAccessor},
    {"auth/token/revoke-orphan", Operation::kUpdate, kToken},
    {"auth/token/roles/*", Operation::kUpdate, kRole},
    {"sys/capabilities", Operation::kUpdate, kCapabilities},
    {"sys/capabilities-accessor", Operation::kUpdate, kCapabilitiesByAccessor},
    {"sys/capabilities-self", Operation::kUpdate, kOwnCapabilities},
    {"sys/events/explain*", Operation::kRead, kExplain},
    {"sys/leases/lookup*", Operation::kUpdate, kLease},
    {"sys/leases/renew*", Operation::kUpdate, kRenewal},
    {"sys/leases/revoke-force/*", Operation::kUpdate, kSync},
    {"sys/leases/revoke-prefix/*", Operation::kUpdate, kSync},
    {"sys/leases/revoke*", Operation::kUpdate, kRevocation},
    {"sys/metrics", Operation::kRead, kFormat},
    {"sys/mounts/*/tune", Operation::kUpdate, kTuning},
    {"sys/mounts/*", Operation::kUpdate, kNewMount},
    {"sys/plugins/catalog/*", Operation::kDelete, kPlugin},
    {"sys/plugins/catalog/*", Operation::kRead, kPlugin},
    {"sys/plugins/catalog/*", Operation::kUpdate, kNewPlugin},
    {"sys/plugins/reload/backend", Operation::kUpdate, kReload},
    {"sys/plugins/reload/*", Operation::kUpdate, kReloadPlugin},
    {"sys/policies/acl/*", Operation::kUpdate, kPolicy},
    {"sys/policy/*", Operation::kUpdate, kOldPolicy},
    {"sys/renew*", Operation::kUpdate, kRenewal},
    {"sys/revoke-force/*", Operation::kUpdate, kSync},
    {"sys/revoke-prefix/*", Operation::kUpdate, kSync},
    {"sys/revoke*", Operation::kUpdate, kRevocation},
};

}  // namespace

std::span<const DeclaredEndpoint> DeclaredEndpoints() {
  return kEndpoints;
}

absl::StatusOr<Fields> ReadFields(std::string_view path, Operation operation,
                                  std::string_view data) {
  for (const DeclaredEndpoint& endpoint : kEndpoints) {
    if (endpoint.operation != operation || !GlobMatches(endpoint.path, path)) continue;
    return Fields::Read(endpoint.fields, data);
  }
  return Fields();
}

}  // namespace belfry::api
