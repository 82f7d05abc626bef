#include "server/builtin/mount_entries.h"

#include <utility>

#include "base/text.h"
#include "server/builtin/json_text.h"
#include "server/mounts/lease_terms.h"

namespace belfry::builtin {
namespace {

// The lease times of a mount, in seconds.
struct LeaseTimes {
  std::int64_t usual = 0;
  std::int64_t longest = 0;
};

LeaseTimes TimesOf(const Limits& limits, const mounts::MountEntry& entry, MountDetail detail) {
  if (detail == MountDetail::kAsConfigured) {
    return {absl::ToInt64Seconds(entry.default_lease_ttl),
            absl::ToInt64Seconds(entry.max_lease_ttl)};
  }
  return {absl::ToInt64Seconds(mounts::DefaultTtl(limits, entry)),
          absl::ToInt64Seconds(mounts::MaxTtl(limits, entry))};
}

// Of the tokens that an auth mount grants.
void AddTokenType(const mounts::MountEntry& entry, ObjectText& text) {
  if (entry.mount_class == mounts::MountClass::kAuth) text.Text("token_type", "default-service");
}

std::string ConfigObject(const Limits& limits, const mounts::MountEntry& entry,
                         MountDetail detail) {
  const LeaseTimes times = TimesOf(limits, entry, detail);
  ObjectText text;
  text.Number("default_lease_ttl", times.usual)
      .Bool("force_no_cache", entry.force_no_cache)
      .Number("max_lease_ttl", times.longest);
  AddTokenType(entry, text);
  return text.Finish();
}

absl::Status CheckLeaseTimes(const Limits& limits, const mounts::MountEntry& entry) {
  if (entry.default_lease_ttl <= mounts::MaxTtl(limits, entry)) return absl::OkStatus();
  return absl::InvalidArgumentError("given default lease TTL greater than the maximum lease TTL");
}

}  // namespace

std::string MountObject(const Limits& limits, const mounts::Mount& mount, MountDetail detail) {
  const mounts::MountEntry& entry = mount.entry;
  ObjectText text;
  text.Text("accessor", entry.accessor).Raw("config", ConfigObject(limits, entry, detail));
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

std::string MountsObject(const Limits& limits, const mounts::MountRouter& router,
                         mounts::MountClass mount_class, MountDetail detail,
                         const std::function<bool(const mounts::MountEntry&)>& shown) {
  ObjectText text;
  for (const std::shared_ptr<const mounts::Mount>& mount : router.List()) {
    if (mount->entry.mount_class != mount_class || !shown(mount->entry)) continue;
    text.Raw(mounts::GivenPath(mount_class, mount->entry.path),
             MountObject(limits, *mount, detail));
  }
  return text.Finish();
}

std::string TuningObject(const Limits& limits, const mounts::Mount& mount) {
  const mounts::MountEntry& entry = mount.entry;
  const LeaseTimes times = TimesOf(limits, entry, MountDetail::kEffective);
  ObjectText text;
  text.Number("default_lease_ttl", times.usual)
      .Text("description", entry.description)
      .Bool("force_no_cache", entry.force_no_cache)
      .Number("max_lease_ttl", times.longest);
  if (!entry.options.empty()) text.Raw("options", StringMapOrNull(entry.options));
  AddTokenType(entry, text);
  return text.Finish();
}

TuneRequest ParseTuneRequest(const Fields& fields) {
  TuneRequest request;
  mounts::MountTuning& tuning = request.tuning;
  if (fields.Has("description")) tuning.description = fields.Text("description");
  if (fields.Has("default_lease_ttl"))
    tuning.default_lease_ttl = fields.Duration("default_lease_ttl");
  if (fields.Has("max_lease_ttl")) tuning.max_lease_ttl = fields.Duration("max_lease_ttl");
  if (fields.Has("force_no_cache")) tuning.force_no_cache = fields.Bool("force_no_cache");
  if (std::string version = fields.Text("plugin_version"); !version.empty())
    tuning.plugin_version = std::move(version);
  tuning.options = fields.Map("options");
  for (const std::string& name : fields.unknown()) {
    request.warnings.push_back(Concat({"this server cannot tune ", name, "; it was ignored"}));
  }
  return request;
}

absl::StatusOr<mounts::MountEntry> ParseMountRequest(const Limits& limits,
                                                     mounts::MountClass mount_class,
                                                     std::string path, const Fields& fields) {
  mounts::MountEntry entry;
  entry.mount_class = mount_class;
  entry.path = std::move(path);
  entry.type = fields.Text("type");
  if (entry.type == "plugin") entry.type = fields.Text("plugin_name");
  if (entry.type.empty()) {
    return absl::InvalidArgumentError("backend type must be specified as a string");
  }
  entry.description = fields.Text("description");
  entry.plugin_version = fields.Text("plugin_version");
  if (entry.plugin_version.empty()) entry.plugin_version = fields.Text("config.plugin_version");
  entry.local = fields.Bool("local");
  entry.seal_wrap = fields.Bool("seal_wrap");
  entry.external_entropy_access = fields.Bool("external_entropy_access");
  entry.options = fields.Map("options");
  entry.default_lease_ttl = fields.Duration("config.default_lease_ttl");
  entry.max_lease_ttl = fields.Duration("config.max_lease_ttl");
  entry.force_no_cache = fields.Bool("config.force_no_cache");
  const absl::Status times = CheckLeaseTimes(limits, entry);
  if (!times.ok()) return times;
  return entry;
}

}  // namespace belfry::builtin
