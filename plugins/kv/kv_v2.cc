#include "plugins/kv/kv_v2.h"

#include <algorithm>
#include <mutex>
#include <shared_mutex>
#include <utility>

#include "plugins/kv/merge_patch.h"
#include "plugins/kv/plain_store.h"

namespace belfry::kv {
namespace {

Attribution By(const Request& request, std::string operation) {
  return {request.caller().display_name, std::move(operation), request.caller().entity_id};
}

// Of a key that has been given neither a version nor metadata yet.
bool IsNew(const KeyMetadata& metadata) {
  return metadata.created == absl::Time();
}

// As Vault's kv answers a patch of what there is not: without a body.
Response NothingToPatch() {
  return Response::Raw(404, "application/json", "");
}

// How the change of a key's data is attributed.
std::string WordFor(const Request& request, const KeyMetadata& metadata) {
  if (request.operation() == Operation::kPatch) return "patch";
  return IsNew(metadata) ? "create" : "update";
}

// "[2,3]"
std::string ListText(const std::vector<std::int64_t>& numbers) {
  return Json(Json::Array(numbers.begin(), numbers.end())).Dump();
}

std::map<std::string, std::string> VersionFields(const KeyMetadata& metadata) {
  return {{"current_version", std::to_string(metadata.current_version)},
          {"oldest_version", std::to_string(metadata.oldest_version)}};
}

// The check-and-set parameter of a write. Absent: nullopt.
absl::StatusOr<std::optional<std::int64_t>> CheckAndSetOf(const Request& request) {
  const auto given = request.data().find("options");
  if (given == request.data().end()) return std::nullopt;
  BELFRY_ASSIGN_OR_RETURN(const auto options, ConvertTo<Json::Object>(given->second));
  const auto cas = options.find("cas");
  if (cas == options.end()) return std::nullopt;
  const absl::StatusOr<std::int64_t> version = ConvertTo<std::int64_t>(cas->second);
  if (!version.ok()) return HttpError(400, "error parsing check-and-set parameter");
  return *version;
}

absl::Status CheckAndSet(const Request& request, const KeyMetadata& metadata,
                         const MountConfig& config) {
  BELFRY_ASSIGN_OR_RETURN(const std::optional<std::int64_t> cas, CheckAndSetOf(request));
  if (!cas && (config.cas_required || metadata.cas_required)) {
    return HttpError(400, "check-and-set parameter required for this call");
  }
  if (cas && *cas != metadata.current_version) {
    return HttpError(400, "check-and-set parameter did not match the current version");
  }
  return absl::OkStatus();
}

// What a write must bring under "data": an object, or null.
absl::StatusOr<Json> DataOf(const Request& request) {
  const auto data = request.data().find("data");
  if (data == request.data().end()) return HttpError(400, "no data provided");
  // As most are; nothing to convert.
  if (data->second.is_null() || data->second.if_object() != nullptr) return data->second;
  BELFRY_ASSIGN_OR_RETURN(auto object, ConvertTo<Json::Object>(data->second));
  return Json(std::move(object));
}

KeyMetadata NewKey(const Request& request) {
  KeyMetadata metadata;
  metadata.created = metadata.updated = request.Now();
  return metadata;
}

// The shape of an object: null in place of all that is no object with members, as deep as `depth`
// (0: to the bottom; negative: as 1).
Json Subkeys(const Json::Object& object, std::int64_t depth) {
  Json::Object keys;
  for (const auto& [name, member] : object) {
    const Json::Object* below = member.if_object();
    const bool deeper = below != nullptr && !below->empty() && (depth == 0 || depth > 1);
    keys.emplace(name, deeper ? Subkeys(*below, depth == 0 ? 0 : depth - 1) : Json());
  }
  return Json(std::move(keys));
}

// The change itself has happened: it must not look as if it had failed.
absl::Status OkWithWarning(const absl::Status& status, Response& response) {
  if (!absl::IsAborted(status)) return status;
  response.AddWarning("the data of old versions can no longer be read, but could not be deleted: " +
                      std::string(status.message()));
  return absl::OkStatus();
}

std::vector<std::int64_t> NumbersOf(const std::map<std::int64_t, Version>& versions) {
  std::vector<std::int64_t> numbers;
  for (const auto& [number, _] : versions) numbers.push_back(number);
  return numbers;
}

void WarnIfMandated(const MountConfig& config, const KeyFields& fields, const Request& request,
                    Response& response) {
  if (!config.cas_required || !fields.TurnsCasOff(request)) return;
  response.AddWarning(
      "\"cas_required\" set to false, but is mandated by backend config. This value will be "
      "ignored.");
}

}  // namespace

// How a change of versions is told and attributed.
struct KvV2::VersionsEvent {
  const char* operation;
  const char* versions_field;
  const char* attribution;  // Null: to nobody.
  bool restores_data;
};

constexpr KvV2::VersionsEvent KvV2::kDeleteEvent = {"delete", "deleted_versions", "update", false};
constexpr KvV2::VersionsEvent KvV2::kUndeleteEvent = {"undelete", "undeleted_versions", "undelete",
                                                      true};
constexpr KvV2::VersionsEvent KvV2::kDestroyEvent = {"destroy", "destroyed_versions", nullptr,
                                                     false};

KvV2::KvV2(Engine& engine)
    : names_(engine.backend_uuid()),
      config_(engine.backend_uuid()),
      store_(engine.backend_uuid(), &names_),
      upgrade_(PlainStore(engine.backend_uuid(), &names_).root(), &store_),
      metadata_read_events_(engine.MountOption("metadata_read_events") != "false") {
  DescribeConfig(engine);
  DescribeData(engine);
  DescribeSubkeys(engine);
  DescribeVersions(engine);
  DescribeMetadata(engine);
  DescribeWrongPaths(engine);
  engine.SealWrapped({store_.root(), names_.path()});
  // What version 1 leased ends by itself.
  engine.Secret("kv").OnRevoke([](Request&, const LeasedSecret&) { return absl::OkStatus(); });
  engine.OnInitialize([this](HookContext& context) { return upgrade_.Prepare(context.storage); });
  engine.InBackground([this](HookContext& context) { return upgrade_.Run(context); });
  engine.BeforeEach([this](Request&) { return upgrade_.Refusal(); });
  engine.OnInvalidate([this](HookContext&, std::string_view key) {
    names_.Invalidate(key);
    config_.Invalidate(key);
    store_.Invalidate(key);
  });
}

absl::StatusOr<bool> KvV2::Exists(Request& request, std::string_view key) const {
  BELFRY_ASSIGN_OR_RETURN(const KeyPlace place, store_.PlaceOf(request.storage(), key));
  BELFRY_ASSIGN_OR_RETURN(const auto metadata, request.storage().Get(place.metadata));
  return metadata.has_value();
}

Result KvV2::ReadData(Request& request, std::string_view key, std::int64_t version) const {
  BELFRY_ASSIGN_OR_RETURN(const KeyPlace place, store_.PlaceOf(request.storage(), key));
  const std::shared_lock lock(locks_.For(key));
  BELFRY_ASSIGN_OR_RETURN(const std::optional<KeyMetadata> metadata,
                          store_.LoadMetadata(request.storage(), place));
  version = std::max<std::int64_t>(version, 0);
  const Version* found = metadata ? metadata->Find(version) : nullptr;
  if (found == nullptr) return Response::NotFound();
  Json::Object answer{{"data", nullptr}, {"metadata", metadata->ShownVersion(version)}};
  if (!found->Readable(request.Now())) return Response::WithStatus(404, std::move(answer));
  BELFRY_ASSIGN_OR_RETURN(
      answer["data"], VersionedStore::LoadData(request.storage(), place,
                                               version == 0 ? metadata->current_version : version));
  return Response::Data(std::move(answer));
}

Result KvV2::ReadSubkeys(Request& request, std::string_view key, std::int64_t version,
                         std::int64_t depth) const {
  BELFRY_ASSIGN_OR_RETURN(Response response, ReadData(request, key, version));
  if (response.kind() != Response::Kind::kData) return response;
  Json::Object answer{{"subkeys", nullptr}, {"metadata", response.data().at("metadata")}};
  if (response.http_status())
    return Response::WithStatus(*response.http_status(), std::move(answer));
  const Json::Object* data = response.data().at("data").if_object();
  if (data != nullptr) answer["subkeys"] = Subkeys(*data, depth);
  return Response::Data(std::move(answer));
}

Result KvV2::WriteData(Request& request, const std::string& key) {
  BELFRY_ASSIGN_OR_RETURN(const Json data, DataOf(request));
  BELFRY_ASSIGN_OR_RETURN(const KeyPlace place, store_.PlaceOf(request.storage(), key));
  const std::unique_lock lock(locks_.For(key));
  BELFRY_ASSIGN_OR_RETURN(const MountConfig config, config_.Load(request.storage()));
  BELFRY_ASSIGN_OR_RETURN(std::optional<KeyMetadata> metadata,
                          store_.LoadMetadata(request.storage(), place));
  // Its first version will say when it was created.
  if (!metadata) metadata.emplace();
  BELFRY_RETURN_IF_ERROR(CheckAndSet(request, *metadata, config));
  return AddVersion(request, key, place, *std::move(metadata), config, data, "kv-v2/data-write");
}

Result KvV2::PatchData(Request& request, const std::string& key) {
  BELFRY_ASSIGN_OR_RETURN(const Json patch, DataOf(request));
  BELFRY_ASSIGN_OR_RETURN(const KeyPlace place, store_.PlaceOf(request.storage(), key));
  const std::unique_lock lock(locks_.For(key));
  BELFRY_ASSIGN_OR_RETURN(const MountConfig config, config_.Load(request.storage()));
  BELFRY_ASSIGN_OR_RETURN(std::optional<KeyMetadata> metadata,
                          store_.LoadMetadata(request.storage(), place));
  if (!metadata) return NothingToPatch();
  BELFRY_RETURN_IF_ERROR(CheckAndSet(request, *metadata, config));
  const Version* current = metadata->Find(0);
  if (current == nullptr) return NothingToPatch();
  if (!current->Readable(request.Now()))
    return Response::WithStatus(404, metadata->ShownVersion(0));
  BELFRY_ASSIGN_OR_RETURN(
      Json data, VersionedStore::LoadData(request.storage(), place, metadata->current_version));
  if (patch.is_null() || data.is_null())
    return absl::InvalidArgumentError("null cannot patch, nor be patched");
  ApplyMergePatch(patch, data);
  return AddVersion(request, key, place, *std::move(metadata), config, data, "kv-v2/data-patch");
}

Result KvV2::AddVersion(Request& request, const std::string& key, const KeyPlace& place,
                        KeyMetadata metadata, const MountConfig& config, const Json& data,
                        const char* event) {
  const std::int64_t number = ++metadata.current_version;
  Version version;
  version.created = request.Now();
  version.deleted = metadata.ExpiryOf(version.created, config);
  version.created_by = By(request, WordFor(request, metadata));
  metadata.last_updated_by = version.created_by;
  metadata.updated = version.created;
  if (IsNew(metadata)) metadata.created = version.created;
  metadata.versions[number] = std::move(version);
  const std::map<std::int64_t, Version> dropped = metadata.TrimTo(config);

  StorageBatch batch;
  VersionedStore::PutData(place, number, data, batch);
  const std::string path = "data/" + key;
  batch.AddEvent(
      event, {.path = path, .data_path = path, .modified = true, .extra = VersionFields(metadata)});
  Response response = Response::Data(metadata.ShownVersion(number));
  const absl::Status status =
      store_.Apply(request.storage(), place, &metadata, std::move(batch), NumbersOf(dropped));
  BELFRY_RETURN_IF_ERROR(OkWithWarning(status, response));
  return response;
}

Result KvV2::DeleteLatest(Request& request, const std::string& key) {
  BELFRY_ASSIGN_OR_RETURN(const KeyPlace place, store_.PlaceOf(request.storage(), key));
  const std::unique_lock lock(locks_.For(key));
  BELFRY_ASSIGN_OR_RETURN(std::optional<KeyMetadata> metadata,
                          store_.LoadMetadata(request.storage(), place));
  Version* latest = metadata ? metadata->Find(0) : nullptr;
  if (latest == nullptr || !latest->Readable(request.Now())) return Response::NoContent();
  latest->deleted = request.Now();
  latest->deleted_by = By(request, "delete");
  metadata->last_updated_by = latest->deleted_by;
  StorageBatch batch;
  batch.AddEvent("kv-v2/data-delete",
                 {.path = "data/" + key, .modified = true, .extra = VersionFields(*metadata)});
  BELFRY_RETURN_IF_ERROR(store_.Apply(request.storage(), place, &*metadata, batch));
  return Response::NoContent();
}

template <typename Change>
Result KvV2::ChangeVersions(Request& request, const std::string& key, const Versions& versions,
                            const VersionsEvent& event, Change change) {
  BELFRY_ASSIGN_OR_RETURN(const KeyPlace place, store_.PlaceOf(request.storage(), key));
  const std::unique_lock lock(locks_.For(key));
  BELFRY_ASSIGN_OR_RETURN(std::optional<KeyMetadata> metadata,
                          store_.LoadMetadata(request.storage(), place));
  if (!metadata) return Response::NoContent();
  Versions destroyed;
  for (const std::int64_t number : versions) {
    const auto version = metadata->versions.find(number);
    if (version == metadata->versions.end() || version->second.destroyed) continue;
    change(*metadata, version->second);
    if (version->second.destroyed) destroyed.push_back(number);
  }
  if (event.attribution != nullptr) metadata->last_updated_by = By(request, event.attribution);
  const std::string operation = event.operation;
  EventMetadata told{
      .path = operation + "/" + key, .modified = true, .extra = VersionFields(*metadata)};
  if (event.restores_data) told.data_path = "data/" + key;
  told.extra[event.versions_field] = ListText(versions);
  StorageBatch batch;
  batch.AddEvent("kv-v2/" + operation, std::move(told));
  const absl::Status status =
      store_.Apply(request.storage(), place, &*metadata, std::move(batch), destroyed);
  // What was to be destroyed is still there: that must not look as if it had gone well.
  if (absl::IsAborted(status)) return absl::InternalError(status.message());
  BELFRY_RETURN_IF_ERROR(status);
  return Response::NoContent();
}

Result KvV2::DeleteVersions(Request& request, const std::string& key, const Versions& versions) {
  return ChangeVersions(request, key, versions, kDeleteEvent,
                        [&request](KeyMetadata&, Version& version) {
                          if (!version.Readable(request.Now())) return;
                          version.deleted = request.Now();
                          version.deleted_by = By(request, "update");
                        });
}

Result KvV2::UndeleteVersions(Request& request, const std::string& key, const Versions& versions) {
  BELFRY_ASSIGN_OR_RETURN(const MountConfig config, config_.Load(request.storage()));
  return ChangeVersions(request, key, versions, kUndeleteEvent,
                        [&](const KeyMetadata& metadata, Version& version) {
                          version.deleted = metadata.ExpiryOf(request.Now(), config);
                          version.deleted_by.reset();
                        });
}

Result KvV2::DestroyVersions(Request& request, const std::string& key, const Versions& versions) {
  return ChangeVersions(request, key, versions, kDestroyEvent,
                        [](KeyMetadata&, Version& version) { version.destroyed = true; });
}

Result KvV2::ReadMetadata(Request& request, const std::string& key) const {
  BELFRY_ASSIGN_OR_RETURN(const KeyPlace place, store_.PlaceOf(request.storage(), key));
  const std::shared_lock lock(locks_.For(key));
  BELFRY_ASSIGN_OR_RETURN(const std::optional<KeyMetadata> metadata,
                          store_.LoadMetadata(request.storage(), place));
  if (!metadata) return Response::NotFound();
  const std::string path = "metadata/" + key;
  if (metadata_read_events_)
    request.events().SendOrLog("kv-v2/metadata-read", {.path = path, .data_path = path});
  return Response::Data(metadata->Shown());
}

absl::Status KvV2::StoreMetadata(Request& request, const std::string& key, const KeyPlace& place,
                                 const KeyMetadata& metadata, const char* event) {
  const std::string path = "metadata/" + key;
  StorageBatch batch;
  batch.AddEvent(event, {.path = path, .data_path = path, .modified = true});
  return store_.Apply(request.storage(), place, &metadata, batch);
}

Result KvV2::WriteMetadata(Request& request, const std::string& key, const KeyFields& fields) {
  if (key.empty()) return absl::InvalidArgumentError("missing path");
  if (!fields.AnyOf(request)) return Response::NoContent();
  BELFRY_RETURN_IF_ERROR(fields.Check(request));
  BELFRY_ASSIGN_OR_RETURN(const KeyPlace place, store_.PlaceOf(request.storage(), key));
  const std::unique_lock lock(locks_.For(key));
  BELFRY_ASSIGN_OR_RETURN(const MountConfig config, config_.Load(request.storage()));
  BELFRY_ASSIGN_OR_RETURN(std::optional<KeyMetadata> metadata,
                          store_.LoadMetadata(request.storage(), place));
  if (!metadata) metadata = NewKey(request);
  fields.ApplyTo(request, *metadata);
  BELFRY_RETURN_IF_ERROR(StoreMetadata(request, key, place, *metadata, "kv-v2/metadata-write"));
  Response response = Response::NoContent();
  WarnIfMandated(config, fields, request, response);
  return response;
}

Result KvV2::PatchMetadata(Request& request, const std::string& key, const KeyFields& fields) {
  if (key.empty()) return absl::InvalidArgumentError("missing path");
  BELFRY_RETURN_IF_ERROR(fields.Check(request));
  BELFRY_ASSIGN_OR_RETURN(const KeyPlace place, store_.PlaceOf(request.storage(), key));
  const std::unique_lock lock(locks_.For(key));
  BELFRY_ASSIGN_OR_RETURN(const MountConfig config, config_.Load(request.storage()));
  BELFRY_ASSIGN_OR_RETURN(std::optional<KeyMetadata> metadata,
                          store_.LoadMetadata(request.storage(), place));
  if (!metadata) return NothingToPatch();
  BELFRY_RETURN_IF_ERROR(fields.CheckPatch(request));
  fields.Patch(request, *metadata);
  BELFRY_RETURN_IF_ERROR(StoreMetadata(request, key, place, *metadata, "kv-v2/metadata-patch"));
  Response response = Response::NoContent();
  WarnIfMandated(config, fields, request, response);
  return response;
}

void KvV2::LeaveOutDeleted(Request& request, const std::string& folder,
                           std::vector<std::string>& keys) const {
  std::erase_if(keys, [&](const std::string& name) {
    if (name.ends_with('/')) return false;
    const auto place = store_.PlaceOf(request.storage(), folder + name);
    if (!place.ok()) return false;
    const std::shared_lock lock(locks_.For(folder + name));
    const auto metadata = store_.LoadMetadata(request.storage(), *place);
    // What cannot be read is not hidden.
    const Version* current = metadata.ok() && *metadata ? (*metadata)->Find(0) : nullptr;
    return current != nullptr && current->deleted != absl::InfinitePast();
  });
}

Result KvV2::DeleteMetadata(Request& request, const std::string& key) {
  BELFRY_ASSIGN_OR_RETURN(const KeyPlace place, store_.PlaceOf(request.storage(), key));
  const std::unique_lock lock(locks_.For(key));
  BELFRY_ASSIGN_OR_RETURN(const std::optional<KeyMetadata> metadata,
                          store_.LoadMetadata(request.storage(), place));
  if (!metadata) return Response::NoContent();
  StorageBatch batch;
  batch.AddEvent("kv-v2/metadata-delete", {.path = "metadata/" + key, .modified = true});
  Response response = Response::NoContent();
  const absl::Status status = store_.Apply(request.storage(), place, nullptr, std::move(batch),
                                           NumbersOf(metadata->versions));
  BELFRY_RETURN_IF_ERROR(OkWithWarning(status, response));
  return response;
}

}  // namespace belfry::kv
