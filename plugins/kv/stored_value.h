#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "belfry/json.h"
#include "belfry/storage.h"

namespace belfry::kv {

// How kv keeps its values: one byte that names the format (1), then JSON text. Later formats get
// later bytes, so that an upgrade can read what an older plugin wrote, and an older plugin refuses
// what it cannot read.

std::string EncodeValue(const Json& value);
// Whether a change that ended so may have been stored all the same, or may be yet: what is read
// now must not be kept. (Storage::Apply)
bool MayYetBeDone(const absl::Status& status);
// nullopt: no such key. DataLoss when the value has another format.
absl::StatusOr<std::optional<Json>> LoadValue(Storage& storage, std::string_view key);

}  // namespace belfry::kv
