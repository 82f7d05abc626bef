#include "plugins/kv/versioned_store.h"

#include <memory>
#include <utility>

#include "belfry/status_macros.h"
#include "plugins/kv/stored_value.h"

namespace belfry::kv {
namespace {
// Hosts take up to 4,096 changes at once; a few others come with these.
constexpr std::size_t kMostDeletes = 4000;
}  // namespace

absl::StatusOr<KeyPlace> VersionedStore::PlaceOf(Storage& storage, std::string_view key) const {
  BELFRY_ASSIGN_OR_RETURN(const std::shared_ptr<const NameCipher> cipher, names_->Cipher(storage));
  return PlaceOfName(cipher->Encrypt(key));
}

KeyPlace VersionedStore::PlaceOfName(std::string_view name) const {
  return {.metadata = root_ + "metadata/" + std::string(name),
          .versions = root_ + "versions/" + std::string(name) + "/"};
}

absl::StatusOr<std::optional<KeyMetadata>> VersionedStore::LoadMetadata(Storage& storage,
                                                                        const KeyPlace& place) {
  if (std::optional<KeyMetadata> known = known_.Find(place.metadata)) return known;
  const std::uint64_t before = known_.now();
  BELFRY_ASSIGN_OR_RETURN(const std::optional<Json> stored, LoadValue(storage, place.metadata));
  if (!stored) return std::nullopt;
  std::optional<KeyMetadata> metadata = KeyMetadata::FromJson(*stored);
  known_.Keep(place.metadata, *metadata, before);
  return metadata;
}

absl::Status VersionedStore::Apply(Storage& storage, const KeyPlace& place,
                                   const KeyMetadata* metadata, StorageBatch batch,
                                   const std::vector<std::int64_t>& gone) {
  if (metadata == nullptr) {
    batch.Delete(place.metadata);
  } else {
    PutMetadata(place, *metadata, batch);
  }
  std::size_t next = 0;
  const auto delete_some = [&](StorageBatch& some) {
    for (std::size_t left = kMostDeletes; left > 0 && next < gone.size(); --left, ++next) {
      some.Delete(place.Version(gone[next]));
    }
  };
  delete_some(batch);
  const std::uint64_t before = known_.now();
  absl::Status status = storage.Apply(batch);
  if (MayYetBeDone(status)) {
    known_.MarkUncertain(place.metadata);
  } else {
    known_.Forget(place.metadata);
  }
  if (status.ok()) known_.MarkCertain(place.metadata);
  if (status.ok() && metadata != nullptr) known_.Keep(place.metadata, *metadata, before);
  while ((status.ok() || absl::IsAborted(status)) && next < gone.size()) {
    StorageBatch rest;
    delete_some(rest);
    const absl::Status deleted = storage.Apply(rest);
    if (!deleted.ok()) status = absl::AbortedError(deleted.message());
  }
  return status;
}

void VersionedStore::PutMetadata(const KeyPlace& place, const KeyMetadata& metadata,
                                 StorageBatch& batch) {
  batch.Put(place.metadata, EncodeValue(metadata.ToJson()));
}

absl::StatusOr<Json> VersionedStore::LoadData(Storage& storage, const KeyPlace& place,
                                              std::int64_t version) {
  BELFRY_ASSIGN_OR_RETURN(std::optional<Json> stored, LoadValue(storage, place.Version(version)));
  if (!stored) return absl::DataLossError("could not find version data");
  return *std::move(stored);
}

void VersionedStore::PutData(const KeyPlace& place, std::int64_t version, const Json& data,
                             StorageBatch& batch) {
  batch.Put(place.Version(version), EncodeValue(data));
}

}  // namespace belfry::kv
