#include "plugins/kv/key_metadata.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "plugins/kv/formats.h"

namespace belfry::kv {
namespace {

constexpr std::int64_t kDefaultMaxVersions = 10;

// What is stored was written by us; a member that is missing or of another kind reads as its zero.
std::int64_t IntOf(const Json& json, std::string_view name) {
  const Json* member = json.Find(name);
  std::int64_t value = 0;
  if (member != nullptr && member->if_number() != nullptr) {
    const std::string& text = member->if_number()->text;
    std::from_chars(text.data(), text.data() + text.size(), value);
  }
  return value;
}

std::string TextOf(const Json& json, std::string_view name) {
  const Json* member = json.Find(name);
  return member != nullptr && member->if_string() != nullptr ? *member->if_string() : std::string();
}

bool BoolOf(const Json& json, std::string_view name) {
  const Json* member = json.Find(name);
  return member != nullptr && member->if_bool() != nullptr && *member->if_bool();
}

absl::Duration DurationOf(const Json& json, std::string_view name) {
  return absl::Nanoseconds(IntOf(json, name));
}

Json ToJson(const std::optional<Attribution>& by) {
  if (!by) return Json();
  Json::Object object;
  object.emplace("actor", by->actor);
  object.emplace("operation", by->operation);
  if (!by->entity_id.empty()) object.emplace("entity_id", by->entity_id);
  return Json(std::move(object));
}

std::optional<Attribution> AttributionOf(const Json& json, std::string_view name) {
  const Json* member = json.Find(name);
  if (member == nullptr || member->if_object() == nullptr) return std::nullopt;
  return Attribution{TextOf(*member, "actor"), TextOf(*member, "operation"),
                     TextOf(*member, "entity_id")};
}

// The same in storage and in answers. Every write of a key makes this text of all its versions: an
// initializer list would copy what it is given, here and below.
Json ToJson(const Version& version) {
  Json::Object object;
  object.emplace("created_time", FormatTimestamp(version.created));
  object.emplace("deletion_time", FormatTimestamp(version.deleted));
  object.emplace("destroyed", version.destroyed);
  object.emplace("created_by", ToJson(version.created_by));
  object.emplace("deleted_by", ToJson(version.deleted_by));
  return Json(std::move(object));
}

Version VersionOf(const Json& json) {
  return {.created = ParseTimestamp(TextOf(json, "created_time")),
          .deleted = ParseTimestamp(TextOf(json, "deletion_time")),
          .destroyed = BoolOf(json, "destroyed"),
          .created_by = AttributionOf(json, "created_by"),
          .deleted_by = AttributionOf(json, "deleted_by")};
}

Json ToJson(const std::optional<std::map<std::string, std::string>>& custom_metadata) {
  if (!custom_metadata || custom_metadata->empty()) return Json();
  return Json(Json::Object(custom_metadata->begin(), custom_metadata->end()));
}

Json VersionsToJson(const std::map<std::int64_t, Version>& versions) {
  Json::Object object;
  for (const auto& [number, version] : versions)
    object.emplace(std::to_string(number), ToJson(version));
  return Json(std::move(object));
}

}  // namespace

Json MountConfig::ToJson() const {
  return Json(
      Json::Object{{"max_versions", max_versions},
                   {"cas_required", cas_required},
                   {"delete_version_after", absl::ToInt64Nanoseconds(delete_version_after)}});
}

MountConfig MountConfig::FromJson(const Json& json) {
  return {.max_versions = IntOf(json, "max_versions"),
          .cas_required = BoolOf(json, "cas_required"),
          .delete_version_after = DurationOf(json, "delete_version_after")};
}

const Version* KeyMetadata::Find(std::int64_t version) const {
  const auto it = versions.find(version == 0 ? current_version : version);
  return it == versions.end() ? nullptr : &it->second;
}

Version* KeyMetadata::Find(std::int64_t version) {
  const auto it = versions.find(version == 0 ? current_version : version);
  return it == versions.end() ? nullptr : &it->second;
}

absl::Time KeyMetadata::ExpiryOf(absl::Time made, const MountConfig& config) const {
  if (config.delete_version_after < absl::ZeroDuration()) return absl::InfinitePast();
  const absl::Duration zero = absl::ZeroDuration();
  absl::Duration after = config.delete_version_after;
  if (after == zero || (delete_version_after != zero && delete_version_after < after))
    after = delete_version_after;
  return after == zero ? absl::InfinitePast() : made + after;
}

std::map<std::int64_t, Version> KeyMetadata::TrimTo(const MountConfig& config) {
  std::int64_t limit = std::max(max_versions, config.max_versions);
  if (limit <= 0) limit = kDefaultMaxVersions;
  std::map<std::int64_t, Version> dropped;
  if (current_version - oldest_version < limit) return dropped;
  oldest_version = current_version - limit + 1;
  while (!versions.empty() && versions.begin()->first < oldest_version) {
    dropped.insert(versions.extract(versions.begin()));
  }
  return dropped;
}

Json KeyMetadata::ToJson() const {
  Json::Object object;
  object.emplace("created_time", FormatTimestamp(created));
  object.emplace("updated_time", FormatTimestamp(updated));
  object.emplace("current_version", current_version);
  object.emplace("oldest_version", oldest_version);
  object.emplace("max_versions", max_versions);
  object.emplace("cas_required", cas_required);
  object.emplace("delete_version_after", absl::ToInt64Nanoseconds(delete_version_after));
  object.emplace("custom_metadata", kv::ToJson(custom_metadata));
  object.emplace("last_updated_by", kv::ToJson(last_updated_by));
  object.emplace("versions", VersionsToJson(versions));
  return Json(std::move(object));
}

KeyMetadata KeyMetadata::FromJson(const Json& json) {
  KeyMetadata metadata;
  metadata.created = ParseTimestamp(TextOf(json, "created_time"));
  metadata.updated = ParseTimestamp(TextOf(json, "updated_time"));
  metadata.current_version = IntOf(json, "current_version");
  metadata.oldest_version = IntOf(json, "oldest_version");
  metadata.max_versions = IntOf(json, "max_versions");
  metadata.cas_required = BoolOf(json, "cas_required");
  metadata.delete_version_after = DurationOf(json, "delete_version_after");
  metadata.last_updated_by = AttributionOf(json, "last_updated_by");
  if (const Json* custom = json.Find("custom_metadata");
      custom != nullptr && custom->if_object() != nullptr) {
    metadata.custom_metadata.emplace();
    for (const auto& [name, value] : *custom->if_object())
      metadata.custom_metadata->emplace(name, TextOf(*custom, name));
  }
  if (const Json* versions = json.Find("versions");
      versions != nullptr && versions->if_object() != nullptr) {
    for (const auto& [number, version] : *versions->if_object())
      metadata.versions.emplace(std::stoll(number), VersionOf(version));
  }
  return metadata;
}

Json::Object KeyMetadata::Shown() const {
  Json::Object object = *ToJson().if_object();
  object["delete_version_after"] = FormatGoDuration(delete_version_after);
  return object;
}

Json::Object KeyMetadata::ShownVersion(std::int64_t version) const {
  const std::int64_t number = version == 0 ? current_version : version;
  const Version& shown = versions.at(number);
  return {{"version", number},
          {"created_time", FormatTimestamp(shown.created)},
          {"deletion_time", FormatTimestamp(shown.deleted)},
          {"destroyed", shown.destroyed},
          {"custom_metadata", kv::ToJson(custom_metadata)}};
}

}  // namespace belfry::kv
