#include "server/api/mount_entries.h"

#include <map>
#include <optional>
#include <utility>

#include "server/api/json_text.h"
#include "server/api/request_parsing.h"
#include "server/api/strings.h"
#include "server/base/duration.h"
#include "server/base/text.h"

namespace belfry::api {
namespace {

std::int64_t Seconds(absl::Duration ttl, MountDetail detail) {
  const bool system = ttl == absl::ZeroDuration() && detail == MountDetail::kEffective;
  return absl::ToInt64Seconds(system ? mounts::kSystemLeaseTtl : ttl);
}

std::string ConfigObject(const mounts::MountEntry& entry, MountDetail detail) {
  return ObjectText()
      .Number("default_lease_ttl", Seconds(entry.default_lease_ttl, detail))
      .Bool("force_no_cache", entry.force_no_cache)
      .Number("max_lease_ttl", Seconds(entry.max_lease_ttl, detail))
      .Finish();
}

using MemberMap = std::map<std::string, Member>;

std::string TextOf(const MemberMap& members, const std::string& name) {
  const auto found = members.find(name);
  return found == members.end() || found->second.text == "null" ? "" : found->second.text;
}

bool BoolOf(const MemberMap& members, const std::string& name) {
  return ParseBool(TextOf(members, name)).value_or(false);
}

absl::Status ParseConfig(std::string_view config, mounts::MountEntry& entry) {
  const MemberMap members = AllMembers(config);
  absl::StatusOr<absl::Duration> ttl = ParseTtl(TextOf(members, "default_lease_ttl"));
  absl::StatusOr<absl::Duration> max = ParseTtl(TextOf(members, "max_lease_ttl"));
  if (!ttl.ok()) return ttl.status();
  if (!max.ok()) return max.status();
  const absl::Duration bound = *max == absl::ZeroDuration() ? mounts::kSystemLeaseTtl : *max;
  if (*ttl > bound) {
    return absl::InvalidArgumentError("given default lease TTL greater than the maximum lease TTL");
  }
  entry.default_lease_ttl = *ttl;
  entry.max_lease_ttl = *max;
  entry.force_no_cache = BoolOf(members, "force_no_cache");
  return absl::OkStatus();
}

}  // namespace

std::string MountObject(const mounts::Mount& mount, MountDetail detail) {
  const mounts::MountEntry& entry = mount.entry;
  ObjectText text;
  text.Text("accessor", entry.accessor).Raw("config", ConfigObject(entry, detail));
  if (mount.engine != nullptr) text.Text("deprecation_status", "supported");
  text.Text("description", entry.description)
      .Bool("external_entropy_access", entry.external_entropy_access)
      .Bool("local", entry.local)
      .Raw("options", StringMapOrNull(entry.options));
  if (detail == MountDetail::kEffective) text.Text("path", entry.path);
  text.Text("plugin_version", entry.plugin_version)
      .Text("running_plugin_version", mount.engine ? mount.engine->RunningVersion() : "")
      .Text("running_sha256", mount.engine ? mount.engine->RunningSha256() : "")
      .Bool("seal_wrap", entry.seal_wrap)
      .Text("type", entry.type)
      .Text("uuid", entry.uuid);
  return text.Finish();
}

std::string TuningObject(const mounts::Mount& mount) {
  const mounts::MountEntry& entry = mount.entry;
  ObjectText text;
  text.Number("default_lease_ttl", Seconds(entry.default_lease_ttl, MountDetail::kEffective))
      .Text("description", entry.description)
      .Bool("force_no_cache", entry.force_no_cache)
      .Number("max_lease_ttl", Seconds(entry.max_lease_ttl, MountDetail::kEffective));
  if (!entry.options.empty()) text.Raw("options", StringMapOrNull(entry.options));
  return text.Finish();
}

absl::StatusOr<absl::Duration> ParseTtl(std::string_view text) {
  const std::optional<absl::Duration> ttl = ParseDuration(text);
  if (!ttl) {
    return absl::InvalidArgumentError(Concat({"unable to parse the time \"", text, "\""}));
  }
  if (*ttl < absl::ZeroDuration()) {
    return absl::InvalidArgumentError(Concat({"the time \"", text, "\" is negative"}));
  }
  return *ttl;
}

absl::StatusOr<TuneRequest> ParseTuneRequest(std::string_view data) {
  TuneRequest request;
  mounts::MountTuning& tuning = request.tuning;
  const auto set_ttl = [](const Member& member, std::optional<absl::Duration>& ttl) {
    const absl::StatusOr<absl::Duration> parsed =
        member.text == "system" ? absl::ZeroDuration() : ParseTtl(member.text);
    if (parsed.ok()) ttl = *parsed;
    return parsed.status();
  };
  for (const auto& [name, member] : AllMembers(data)) {
    if (!member.is_string && member.text == "null") continue;
    absl::Status status;
    if (name == "description") {
      tuning.description = member.text;
    } else if (member.text.empty()) {
      continue;
    } else if (name == "default_lease_ttl") {
      status = set_ttl(member, tuning.default_lease_ttl);
    } else if (name == "max_lease_ttl") {
      status = set_ttl(member, tuning.max_lease_ttl);
    } else if (name == "force_no_cache") {
      tuning.force_no_cache = ParseBool(member.text).value_or(false);
    } else if (name == "plugin_version") {
      tuning.plugin_version = member.text;
    } else if (name == "options") {
      for (auto& [option, value] : AllMembers(member.text)) {
        tuning.options[option] = value.text == "null" && !value.is_string ? "" : value.text;
      }
    } else {
      request.warnings.push_back(Concat({"this server cannot tune ", name, "; it was ignored"}));
    }
    if (!status.ok()) return status;
  }
  return request;
}

absl::StatusOr<mounts::MountEntry> ParseMountRequest(std::string_view path, std::string_view data) {
  const MemberMap members = AllMembers(data);
  mounts::MountEntry entry;
  entry.path = Concat({path, path.ends_with("/") ? "" : "/"});
  const auto type = members.find("type");
  if (type != members.end() && type->second.is_string) entry.type = type->second.text;
  if (entry.type == "plugin") entry.type = TextOf(members, "plugin_name");
  if (entry.type.empty()) {
    return absl::InvalidArgumentError("backend type must be specified as a string");
  }
  entry.description = TextOf(members, "description");
  entry.plugin_version = TextOf(members, "plugin_version");
  if (entry.plugin_version.empty()) {
    entry.plugin_version = TextOf(AllMembers(TextOf(members, "config")), "plugin_version");
  }
  entry.local = BoolOf(members, "local");
  entry.seal_wrap = BoolOf(members, "seal_wrap");
  entry.external_entropy_access = BoolOf(members, "external_entropy_access");
  for (auto& [name, value] : AllMembers(TextOf(members, "options"))) {
    entry.options[name] = value.text == "null" && !value.is_string ? "" : value.text;
  }
  const absl::Status config = ParseConfig(TextOf(members, "config"), entry);
  if (!config.ok()) return config;
  return entry;
}

}  // namespace belfry::api
