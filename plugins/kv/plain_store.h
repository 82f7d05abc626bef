#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "belfry/storage.h"
#include "plugins/kv/key_names.h"

namespace belfry::kv {

// Where kv v1 keeps things: each object below "<backend uuid>/v1/", under its path's name as
// name_cipher.h has it and encoded as stored_value.h says. Thread-safe.
class PlainStore {
 public:
  // `names` must outlive it.
  PlainStore(std::string_view backend_uuid, KeyNames* names)
      : root_(std::string(backend_uuid) + "/v1/"), names_(names) {}

  const std::string& root() const { return root_; }
  // The storage key of a path.
  absl::StatusOr<std::string> PlaceOf(Storage& storage, std::string_view path) const;
  // What is directly in `folder` ("" or "a/b/"), in lexical order.
  absl::StatusOr<std::vector<std::string>> List(Storage& storage, std::string_view folder) const {
    return names_->List(storage, root_, folder);
  }

 private:
  const std::string root_;
  KeyNames* const names_;
};

}  // namespace belfry::kv
