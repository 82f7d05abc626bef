#include "server/plugin_host/catalog_store.h"

#include <boost/json.hpp>
#include <exception>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/escaping.h"
#include "base/text.h"

namespace belfry::plugin_host {
namespace {

namespace json = boost::json;

// Neither names nor versions are keys of storage: they may have "..".
std::string KeyOf(mounts::PluginType type, std::string_view name, std::string_view version) {
  return Concat({mounts::PluginTypeName(type), "/", absl::WebSafeBase64Escape(ToAbsl(name)), "/",
                 absl::WebSafeBase64Escape(ToAbsl(version))});
}

std::string StoredText(const Registration& registration) {
  const mounts::PluginEntry& entry = registration.entry;
  return json::serialize(json::object{{"type", mounts::PluginTypeName(entry.type)},
                                      {"name", entry.name},
                                      {"version", entry.version},
                                      {"command", entry.command},
                                      {"args", json::value_from(entry.args)},
                                      {"env", json::value_from(entry.env)},
                                      {"sha256", entry.sha256},
                                      {"replaces_unversioned", registration.replaces_unversioned}});
}

absl::StatusOr<Registration> FromStoredText(std::string_view text) {
  const auto unreadable = [](std::string_view why) {
    return absl::DataLossError(
        Concat({"a stored plugin of the catalog cannot be read: ", why, "; restore a snapshot"}));
  };
  try {
    const json::object object = json::parse(text).as_object();
    const auto text_of = [&object](const char* name) {
      return json::value_to<std::string>(object.at(name));
    };
    const auto texts_of = [&object](const char* name) {
      return json::value_to<std::vector<std::string>>(object.at(name));
    };
    const std::optional<mounts::PluginType> type = mounts::PluginTypeNamed(text_of("type"));
    if (!type) return unreadable("its type is unknown");
    return Registration{.entry = {.type = *type,
                                  .name = text_of("name"),
                                  .version = text_of("version"),
                                  .command = text_of("command"),
                                  .args = texts_of("args"),
                                  .env = texts_of("env"),
                                  .sha256 = text_of("sha256")},
                        .replaces_unversioned = object.at("replaces_unversioned").as_bool()};
  } catch (const std::exception& error) {
    return unreadable(error.what());
  }
}

}  // namespace

CatalogStore::CatalogStore(storage::Storage* storage)
    : entries_(storage::NewView(storage, "sys/plugin-catalog/")) {}

absl::StatusOr<std::vector<Registration>> CatalogStore::Load() const {
  std::vector<Registration> registrations;
  absl::Status status = storage::ForEach(
      *entries_, "", [&registrations](const storage::Entry& stored) -> absl::Status {
        absl::StatusOr<Registration> registration = FromStoredText(stored.value);
        if (!registration.ok()) return registration.status();
        registrations.push_back(*std::move(registration));
        return absl::OkStatus();
      });
  if (!status.ok()) return status;
  return registrations;
}

absl::Status CatalogStore::Put(const Registration& registration) {
  const mounts::PluginEntry& entry = registration.entry;
  storage::WriteBatch batch;
  if (registration.replaces_unversioned) batch.Delete(KeyOf(entry.type, entry.name, ""));
  batch.Put(KeyOf(entry.type, entry.name, entry.version), StoredText(registration));
  return storage::CommitAndWait(*entries_, std::move(batch));
}

absl::Status CatalogStore::Delete(mounts::PluginType type, std::string_view name,
                                  std::string_view version) {
  return storage::Delete(*entries_, KeyOf(type, name, version));
}

}  // namespace belfry::plugin_host
