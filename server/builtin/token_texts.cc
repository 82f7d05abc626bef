#include "server/builtin/token_texts.h"

#include <algorithm>
#include <utility>

#include "base/duration.h"
#include "base/text.h"
#include "server/builtin/answer.h"
#include "server/builtin/json_text.h"

namespace belfry::builtin {
namespace {

std::int64_t Seconds(absl::Duration duration) {
  return absl::ToInt64Seconds(duration);
}

// To the nearest second.
std::int64_t SecondsLeft(const access::TokenEntry& entry, absl::Time now) {
  return std::max<std::int64_t>(0, Seconds(entry.expires - now + absl::Milliseconds(500)));
}

// What has a new name and an old one: the new one counts. The old name's value is remembered for
// whoever reads it again.
void ChangeTime(const Fields& fields, const std::string& name, absl::Duration* time,
                absl::Duration* old_time, std::vector<std::string>* warnings) {
  const std::string new_name = Concat({"token_", name});
  if (fields.Has(new_name)) {
    *time = fields.Duration(new_name);
    *old_time = absl::ZeroDuration();
    if (!fields.Has(name)) return;
    warnings->push_back(Concat({"Both '", new_name, "' and deprecated '", name,
                                "' value supplied, ignoring the deprecated value"}));
  } else if (fields.Has(name)) {
    *time = *old_time = fields.Duration(name);
  }
}

void ChangeList(const Fields& fields, const std::string& name, std::vector<std::string>* list) {
  if (fields.Has(name)) *list = fields.List(name);
}

void WarnOfLongTime(absl::Duration time, absl::Duration longest,
                    std::vector<std::string>* warnings) {
  if (time <= longest) return;
  warnings->push_back(Concat({"an explicit max TTL of \"", DurationText(time),
                              "\" has no effect: no token lives longer than \"",
                              DurationText(longest), "\" without a period"}));
}

}  // namespace

Answer TokenData(const Call& call, std::string data, std::vector<std::string> warnings) {
  return EnvelopeAnswer({.request_id = call.id,
                         .data = std::move(data),
                         .warnings = std::move(warnings),
                         .mount_type = "token"});
}

Answer TokenFailure(const absl::Status& status) {
  const std::string_view text = ToStd(status.message());
  const bool mistake = status.code() == absl::StatusCode::kInvalidArgument;
  return mistake ? ErrorAnswer(400, text) : ErrorAnswer(500, OneError(text));
}

access::TokenRequest ParseTokenRequest(const Call& call) {
  const Fields& fields = call.fields;
  access::TokenRequest request;
  request.path = call.path;
  request.id = fields.Text("id");
  request.policies = fields.List("policies");
  request.metadata = fields.Map("meta");
  request.display_name = fields.Text("display_name");
  request.type = fields.Text("type");
  request.entity_alias = fields.Text("entity_alias");
  request.num_uses = fields.Number("num_uses");
  request.no_parent = fields.Bool("no_parent");
  request.no_default_policy = fields.Bool("no_default_policy");
  request.renewable = fields.Bool("renewable", true);
  // Negative ones, too: the plan says what is wrong with them.
  request.ttl = fields.Duration(fields.Has("ttl") ? "ttl" : "lease");
  request.explicit_max_ttl = fields.Duration("explicit_max_ttl");
  request.period = fields.Duration("period");
  return request;
}

std::string AuthObject(const access::TokenEntry& entry, std::string_view secret,
                       absl::Duration ttl) {
  const std::string policies = ArrayText(entry.policies);
  return ObjectText()
      .Text("client_token", secret)
      .Text("accessor", entry.accessor)
      .Raw("policies", policies)
      .Raw("token_policies", policies)
      .Raw("metadata", StringMapOrNull(entry.metadata))
      .Number("lease_duration", Seconds(ttl))
      .Bool("renewable", entry.renewable)
      .Text("entity_id", "")
      .Text("token_type", "service")
      .Bool("orphan", entry.orphan())
      .Raw("mfa_requirement", "null")
      .Number("num_uses", entry.num_uses)
      .Finish();
}

std::string TokenObject(const access::TokenEntry& entry, std::string_view secret, absl::Time now) {
  const bool expires = entry.expires != absl::InfiniteFuture();
  ObjectText text;
  text.Text("accessor", entry.accessor)
      .Number("creation_time", absl::ToUnixSeconds(entry.created))
      .Number("creation_ttl", Seconds(entry.creation_ttl))
      .Text("display_name", entry.display_name)
      .Text("entity_id", "")
      .Raw("expire_time", expires ? TimeText(entry.expires) : "null")
      .Number("explicit_max_ttl", Seconds(entry.explicit_max_ttl))
      .Text("id", secret);
  // As in Vault, which keeps no lease of such a token.
  const bool generated = entry.path == access::kGeneratedRootPath;
  if (!generated) text.Raw("issue_time", TimeText(entry.created));
  if (entry.last_renewal) {
    text.Raw("last_renewal", TimeText(*entry.last_renewal))
        .Number("last_renewal_time", absl::ToUnixSeconds(*entry.last_renewal));
  }
  text.Raw("meta", StringMapOrNull(entry.metadata))
      .Number("num_uses", entry.num_uses)
      .Bool("orphan", entry.orphan())
      .Text("path", entry.path);
  if (entry.period > absl::ZeroDuration()) text.Number("period", Seconds(entry.period));
  text.Raw("policies", ArrayText(entry.policies));
  if (!generated) text.Bool("renewable", entry.renewable);
  if (!entry.role.empty()) text.Text("role", entry.role);
  return text.Number("ttl", expires ? SecondsLeft(entry, now) : 0).Text("type", "service").Finish();
}

absl::Status ChangeRole(const Fields& fields, const Limits& limits, access::TokenRole* role,
                        std::vector<std::string>* warnings) {
  for (const char* name : {"token_bound_cidrs", "bound_cidrs", "allowed_entity_aliases"}) {
    if (fields.List(name).empty()) continue;
    return absl::InvalidArgumentError(Concat({name, " is not supported: leave it out"}));
  }
  ChangeList(fields, "allowed_policies", &role->allowed_policies);
  ChangeList(fields, "disallowed_policies", &role->disallowed_policies);
  ChangeList(fields, "allowed_policies_glob", &role->allowed_policies_glob);
  ChangeList(fields, "disallowed_policies_glob", &role->disallowed_policies_glob);
  if (fields.Has("path_suffix")) role->path_suffix = fields.Text("path_suffix");
  if (fields.Has("token_type")) role->token_type = fields.Text("token_type");
  if (fields.Has("token_num_uses")) role->num_uses = fields.Number("token_num_uses");
  role->orphan = fields.Bool("orphan", role->orphan);
  role->renewable = fields.Bool("renewable", role->renewable);
  role->no_default_policy = fields.Bool("token_no_default_policy", role->no_default_policy);
  ChangeTime(fields, "period", &role->period, &role->old_period, warnings);
  ChangeTime(fields, "explicit_max_ttl", &role->explicit_max_ttl, &role->old_explicit_max_ttl,
             warnings);
  WarnOfLongTime(role->explicit_max_ttl, limits.max_lease_ttl, warnings);
  return absl::OkStatus();
}

std::string RoleObject(const access::TokenRole& role) {
  ObjectText text;
  text.Raw("allowed_entity_aliases", "null")
      .Raw("allowed_policies", ArrayText(role.allowed_policies))
      .Raw("allowed_policies_glob", ArrayText(role.allowed_policies_glob))
      .Raw("disallowed_policies", ArrayText(role.disallowed_policies))
      .Raw("disallowed_policies_glob", ArrayText(role.disallowed_policies_glob))
      .Number("explicit_max_ttl", Seconds(role.old_explicit_max_ttl))
      .Text("name", role.name)
      .Bool("orphan", role.orphan)
      .Text("path_suffix", role.path_suffix)
      .Number("period", Seconds(role.old_period))
      .Bool("renewable", role.renewable)
      .Number("token_explicit_max_ttl", Seconds(role.explicit_max_ttl))
      .Bool("token_no_default_policy", role.no_default_policy);
  if (role.num_uses > 0) text.Number("token_num_uses", role.num_uses);
  return text.Number("token_period", Seconds(role.period))
      .Text("token_type", role.token_type)
      .Finish();
}

}  // namespace belfry::builtin
