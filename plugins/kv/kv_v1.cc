#include "plugins/kv/kv_v1.h"

#include <mutex>
#include <optional>
#include <shared_mutex>
#include <utility>

#include "belfry/status_macros.h"
#include "plugins/kv/stored_value.h"

namespace belfry::kv {

KvV1::KvV1(Engine& engine)
    : names_(engine.backend_uuid()),
      store_(engine.backend_uuid(), &names_),
      leases_(engine.MountOption("leased_passthrough") == "true"),
      kind_(engine.Secret("kv")) {
  kind_.OnRevoke([](Request&, const LeasedSecret&) { return absl::OkStatus(); });
  kind_.OnRenew([this](Request& request, const LeasedSecret&) -> absl::StatusOr<Lease> {
    BELFRY_ASSIGN_OR_RETURN(const auto secret, Load(request));
    if (!secret) return absl::NotFoundError("the secret is gone");
    return LeaseOf(*secret);
  });
  Route& secret = engine.Path("{path...}", "A secret: any JSON object.");
  const FieldKey<std::string> path = secret.Param("path");
  secret.AcceptAnyField();
  secret.OnRead([this](Request& request) { return Read(request); })
      .OnWrite([this, path](Request& request) { return Write(request, request[path]); })
      .OnDelete([this, path](Request& request) { return Delete(request, request[path]); })
      .OnList([this, path](Request& request) -> Result {
        BELFRY_ASSIGN_OR_RETURN(auto keys, store_.List(request.storage(), request[path]));
        return Response::List(std::move(keys));
      })
      .Upserts()
      .ExistsIf([this](Request& request) -> absl::StatusOr<bool> {
        BELFRY_ASSIGN_OR_RETURN(const std::string place,
                                store_.PlaceOf(request.storage(), request.path()));
        BELFRY_ASSIGN_OR_RETURN(const auto stored, request.storage().Get(place));
        return stored.has_value();
      });
  engine.SealWrapped({store_.root(), names_.path()});
  engine.OnInvalidate([this](HookContext&, std::string_view key) { names_.Invalidate(key); });
}

Lease KvV1::LeaseOf(const Json::Object& secret) const {
  auto given = secret.find("ttl");
  if (given == secret.end()) given = secret.find("lease");
  Lease lease{.renewable = leases_ && given != secret.end()};
  if (given == secret.end()) return lease;
  const absl::StatusOr<absl::Duration> ttl = ConvertTo<absl::Duration>(given->second);
  if (ttl.ok()) lease.ttl = *ttl;
  return lease;
}

absl::StatusOr<std::optional<Json::Object>> KvV1::Load(Request& request) const {
  BELFRY_ASSIGN_OR_RETURN(const std::string place,
                          store_.PlaceOf(request.storage(), request.path()));
  BELFRY_ASSIGN_OR_RETURN(std::optional<Json> secret, LoadValue(request.storage(), place));
  if (!secret || secret->if_object() == nullptr) return std::nullopt;
  return std::move(*secret->if_object());
}

Result KvV1::Read(Request& request) {
  BELFRY_ASSIGN_OR_RETURN(std::optional<Json::Object> secret, Load(request));
  if (!secret) return Response::NotFound();
  Lease lease = LeaseOf(*secret);
  return Response::Secret(kind_, *std::move(secret), std::move(lease));
}

Result KvV1::Write(Request& request, const std::string& path) {
  if (path.empty()) return absl::InvalidArgumentError("missing path");
  if (request.data().empty()) return absl::InvalidArgumentError("missing data fields");
  BELFRY_ASSIGN_OR_RETURN(std::string place, store_.PlaceOf(request.storage(), path));
  StorageBatch batch;
  batch.Put(std::move(place), EncodeValue(request.data()));
  batch.AddEvent("kv-v1/write", {.path = path, .data_path = path, .modified = true});
  const std::unique_lock lock(locks_.For(path));
  BELFRY_RETURN_IF_ERROR(request.storage().Apply(batch));
  return Response::NoContent();
}

Result KvV1::Delete(Request& request, const std::string& path) {
  if (path.ends_with('/')) return absl::InvalidArgumentError("cannot delete a path ending in '/'");
  BELFRY_ASSIGN_OR_RETURN(std::string place, store_.PlaceOf(request.storage(), path));
  StorageBatch batch;
  batch.Delete(std::move(place));
  batch.AddEvent("kv-v1/delete", {.path = path, .modified = true});
  const std::unique_lock lock(locks_.For(path));
  BELFRY_RETURN_IF_ERROR(request.storage().Apply(batch));
  return Response::NoContent();
}

}  // namespace belfry::kv
