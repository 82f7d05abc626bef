#include <utility>

#include "absl/strings/str_cat.h"
#include "belfry/storage.h"

namespace belfry {

StorageBatch& StorageBatch::Put(std::string key, std::string value) {
  operations_.push_back({std::move(key), std::move(value)});
  return *this;
}

StorageBatch& StorageBatch::PutJson(std::string key, const Json& value) {
  return Put(std::move(key), value.Dump());
}

StorageBatch& StorageBatch::Delete(std::string key) {
  operations_.push_back({std::move(key), std::nullopt});
  return *this;
}

StorageBatch& StorageBatch::AddEvent(std::string type, EventMetadata metadata) {
  events_.push_back({std::move(type), std::move(metadata)});
  return *this;
}

absl::StatusOr<std::optional<Json>> Storage::GetJson(std::string_view key) {
  absl::StatusOr<std::optional<std::string>> stored = Get(key);
  if (!stored.ok()) return stored.status();
  if (!*stored) return std::optional<Json>();
  absl::StatusOr<Json> value = Json::Parse(**stored);
  if (value.ok()) return std::optional<Json>(*std::move(value));
  return absl::DataLossError(absl::StrCat("what is stored at \"", std::string(key),
                                          "\" is not JSON: ", value.status().message()));
}

absl::Status Storage::PutJson(std::string_view key, const Json& value) {
  return Put(key, value.Dump());
}

}  // namespace belfry
