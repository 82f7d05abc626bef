#include "plugins/kv/stored_value.h"

#include "belfry/status_macros.h"

namespace belfry::kv {
namespace {
constexpr char kFormat = '\x01';
}  // namespace

absl::StatusOr<std::optional<Json>> LoadValue(Storage& storage, std::string_view key) {
  BELFRY_ASSIGN_OR_RETURN(const std::optional<std::string> bytes, storage.Get(key));
  if (!bytes) return std::nullopt;
  if (!bytes->starts_with(kFormat))
    return absl::DataLossError("a stored value has a format that this version of kv does not know");
  BELFRY_ASSIGN_OR_RETURN(Json value, Json::Parse(std::string_view(*bytes).substr(1)));
  return value;
}

std::string EncodeValue(const Json& value) {
  return kFormat + value.Dump();
}

bool MayYetBeDone(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status) ||
         absl::IsCancelled(status);
}

}  // namespace belfry::kv
