#include "server/mounts/mount_store.h"

#include <boost/json.hpp>
#include <exception>
#include <utility>

#include "absl/time/time.h"
#include "base/text.h"

namespace belfry::mounts {
namespace {

namespace json = boost::json;

std::string StoredText(const MountRecord& record) {
  const MountEntry& entry = record.entry;
  json::object options;
  for (const auto& [name, value] : entry.options) options[name] = value;
  return json::serialize(json::object{
      {"class", entry.mount_class == MountClass::kAuth ? "auth" : "secret"},
      {"state", record.state == MountRecord::State::kPassing ? "passing" : "in service"},
      {"path", entry.path},
      {"type", entry.type},
      {"description", entry.description},
      {"uuid", entry.uuid},
      {"backend_uuid", entry.backend_uuid},
      {"accessor", entry.accessor},
      {"options", std::move(options)},
      {"local", entry.local},
      {"seal_wrap", entry.seal_wrap},
      {"external_entropy_access", entry.external_entropy_access},
      {"force_no_cache", entry.force_no_cache},
      {"default_lease_ttl", absl::ToInt64Nanoseconds(entry.default_lease_ttl)},
      {"max_lease_ttl", absl::ToInt64Nanoseconds(entry.max_lease_ttl)},
      {"plugin_version", entry.plugin_version}});
}

MountRecord FromObject(const json::object& object) {
  const auto text = [&object](const char* name) {
    return json::value_to<std::string>(object.at(name));
  };
  const auto ttl = [&object](const char* name) {
    return absl::Nanoseconds(object.at(name).as_int64());
  };
  MountRecord record;
  record.state =
      text("state") == "passing" ? MountRecord::State::kPassing : MountRecord::State::kInService;
  MountEntry& entry = record.entry;
  entry.mount_class = text("class") == "auth" ? MountClass::kAuth : MountClass::kSecret;
  entry.path = text("path");
  entry.type = text("type");
  entry.description = text("description");
  entry.uuid = text("uuid");
  entry.backend_uuid = text("backend_uuid");
  entry.accessor = text("accessor");
  for (const auto& [name, value] : object.at("options").as_object())
    entry.options[std::string(name)] = json::value_to<std::string>(value);
  entry.local = object.at("local").as_bool();
  entry.seal_wrap = object.at("seal_wrap").as_bool();
  entry.external_entropy_access = object.at("external_entropy_access").as_bool();
  entry.force_no_cache = object.at("force_no_cache").as_bool();
  entry.default_lease_ttl = ttl("default_lease_ttl");
  entry.max_lease_ttl = ttl("max_lease_ttl");
  entry.plugin_version = text("plugin_version");
  return record;
}

absl::StatusOr<MountRecord> FromStoredText(std::string_view text) {
  try {
    return FromObject(json::parse(text).as_object());
  } catch (const std::exception& error) {
    return absl::DataLossError(
        Concat({"a stored mount cannot be read: ", error.what(), "; restore a snapshot"}));
  }
}

}  // namespace

MountStore::MountStore(storage::Storage* storage)
    : storage_(storage), records_(storage::NewView(storage, "sys/mount/")) {}

std::string MountStore::DataPrefix(const MountEntry& entry) {
  return Concat({"logical/", entry.uuid, "/"});
}

absl::StatusOr<std::vector<MountRecord>> MountStore::Load() const {
  std::vector<MountRecord> records;
  absl::Status status =
      storage::ForEach(*records_, "", [&records](const storage::Entry& stored) -> absl::Status {
        absl::StatusOr<MountRecord> record = FromStoredText(stored.value);
        if (!record.ok()) return record.status();
        records.push_back(*std::move(record));
        return absl::OkStatus();
      });
  if (!status.ok()) return status;
  return records;
}

absl::Status MountStore::Put(const MountRecord& record) {
  return storage::Put(*records_, record.entry.uuid, StoredText(record));
}

absl::Status MountStore::Delete(const MountEntry& entry) {
  if (absl::Status deleted = storage::DeleteAll(*storage_, DataPrefix(entry)); !deleted.ok())
    return deleted;
  return storage::Delete(*records_, entry.uuid);
}

}  // namespace belfry::mounts
