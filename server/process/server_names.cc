#include "server/process/server_names.h"

#include <optional>

#include "base/ids.h"
#include "base/text.h"

namespace belfry::process {
namespace {

constexpr std::string_view kName = "sys/cluster/name";
constexpr std::string_view kId = "sys/cluster/id";

}  // namespace

absl::StatusOr<ServerNames> OpenServerNames(storage::Storage* storage,
                                            const std::string& cluster_name) {
  const auto name = storage->Get(kName);
  if (!name.ok()) return name.status();
  const auto id = storage->Get(kId);
  if (!id.ok()) return id.status();
  if (*name && *id) {
    return ServerNames{.cluster_name = cluster_name.empty() ? **name : cluster_name,
                       .cluster_id = **id};
  }
  ServerNames names{.cluster_name = Concat({"belfry-cluster-", NewUuid().substr(0, 8)}),
                    .cluster_id = NewUuid()};
  storage::WriteBatch batch;
  batch.Put(std::string(kName), names.cluster_name);
  batch.Put(std::string(kId), names.cluster_id);
  if (absl::Status stored = CommitAndWait(*storage, std::move(batch)); !stored.ok()) return stored;
  if (!cluster_name.empty()) names.cluster_name = cluster_name;
  return names;
}

}  // namespace belfry::process
