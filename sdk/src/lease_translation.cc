#include "sdk/src/lease_translation.h"

#include <utility>

#include "base/utf8.h"

namespace belfry::internal {
namespace {

constexpr char kKindMember[] = "secret_type";

absl::Time TimeOf(const google::protobuf::Timestamp& time) {
  return absl::FromUnixSeconds(time.seconds()) + absl::Nanoseconds(time.nanos());
}

void SetTime(absl::Time time, google::protobuf::Timestamp& out) {
  const absl::Time second = absl::FromUnixSeconds(absl::ToUnixSeconds(time));
  out.set_seconds(absl::ToUnixSeconds(time));
  out.set_nanos(static_cast<int>(absl::ToInt64Nanoseconds(time - second)));
}

void SetOptions(const Lease& lease, absl::Time now, pb::LeaseOptions& options) {
  options.set_ttl(absl::ToInt64Nanoseconds(lease.ttl));
  options.set_maxttl(absl::ToInt64Nanoseconds(lease.max_ttl));
  options.set_renewable(lease.renewable);
  SetTime(now, *options.mutable_issue_time());
}

void ReadOptions(const pb::LeaseOptions& options, Lease& lease) {
  lease.ttl = absl::Nanoseconds(options.ttl());
  lease.max_ttl = absl::Nanoseconds(options.maxttl());
  lease.renewable = options.renewable();
}

// Null and empty text are no members.
absl::StatusOr<Json::Object> ObjectIn(const std::string& text) {
  if (text.empty()) return Json::Object();
  absl::StatusOr<Json> json = Json::Parse(text);
  if (!json.ok()) return json.status();
  if (json->is_null()) return Json::Object();
  if (json->if_object() == nullptr) {
    return absl::InvalidArgumentError("internal data is no JSON object");
  }
  return std::move(*json->if_object());
}

template <typename Repeated>
void SetAll(const std::vector<std::string>& texts, Repeated& out) {
  for (const std::string& text : texts) out.Add(ValidUtf8(text));
}

}  // namespace

void ToProto(const std::string& kind, const Lease& lease, absl::Time now, pb::Secret& secret) {
  SetOptions(lease, now, *secret.mutable_lease_options());
  Json::Object internal = lease.internal;
  internal[kKindMember] = kind;
  secret.set_internal_data(Json(std::move(internal)).Dump());
}

void ToProto(const Grant& grant, absl::Time now, pb::Auth& auth) {
  SetOptions(grant.lease, now, *auth.mutable_lease_options());
  auth.set_internal_data(Json(grant.lease.internal).Dump());
  auth.set_display_name(ValidUtf8(grant.display_name));
  SetAll(grant.policies, *auth.mutable_policies());
  for (const auto& [name, value] : grant.metadata) {
    (*auth.mutable_metadata())[ValidUtf8(name)] = ValidUtf8(value);
  }
  if (!grant.alias.empty()) auth.mutable_alias()->set_name(ValidUtf8(grant.alias));
  for (const std::string& alias : grant.group_aliases) {
    auth.add_group_aliases()->set_name(ValidUtf8(alias));
  }
  auth.set_period(absl::ToInt64Nanoseconds(grant.period));
  auth.set_explicit_max_ttl(absl::ToInt64Nanoseconds(grant.explicit_max_ttl));
  auth.set_num_uses(grant.num_uses);
  SetAll(grant.bound_cidrs, *auth.mutable_bound_cidrs());
  auth.set_token_type(static_cast<std::uint32_t>(grant.token_type));
  auth.set_no_default_policy(grant.no_default_policy);
}

absl::StatusOr<IncomingSecret> FromProto(const pb::Secret& secret) {
  absl::StatusOr<Json::Object> internal = ObjectIn(secret.internal_data());
  if (!internal.ok()) return internal.status();
  IncomingSecret incoming;
  if (auto kind = internal->extract(kKindMember); !kind.empty() && kind.mapped().if_string()) {
    incoming.kind = *kind.mapped().if_string();
  }
  ReadOptions(secret.lease_options(), incoming.secret.lease);
  incoming.secret.lease.internal = *std::move(internal);
  incoming.secret.issued = TimeOf(secret.lease_options().issue_time());
  incoming.secret.increment = absl::Nanoseconds(secret.lease_options().increment());
  incoming.secret.lease_id = secret.lease_id();
  return incoming;
}

absl::StatusOr<GivenGrant> FromProto(const pb::Auth& auth) {
  absl::StatusOr<Json::Object> internal = ObjectIn(auth.internal_data());
  if (!internal.ok()) return internal.status();
  GivenGrant given;
  Grant& grant = given.grant;
  ReadOptions(auth.lease_options(), grant.lease);
  grant.lease.internal = *std::move(internal);
  grant.policies.assign(auth.policies().begin(), auth.policies().end());
  grant.display_name = auth.display_name();
  grant.metadata.insert(auth.metadata().begin(), auth.metadata().end());
  grant.alias = auth.alias().name();
  for (const logical::Alias& alias : auth.group_aliases()) {
    grant.group_aliases.push_back(alias.name());
  }
  grant.period = absl::Nanoseconds(auth.period());
  grant.explicit_max_ttl = absl::Nanoseconds(auth.explicit_max_ttl());
  grant.num_uses = auth.num_uses();
  grant.bound_cidrs.assign(auth.bound_cidrs().begin(), auth.bound_cidrs().end());
  grant.token_type = static_cast<TokenType>(auth.token_type());
  grant.no_default_policy = auth.no_default_policy();
  given.issued = TimeOf(auth.lease_options().issue_time());
  given.increment = absl::Nanoseconds(auth.lease_options().increment());
  return given;
}

}  // namespace belfry::internal
