#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "belfry/storage.h"
#include "plugins/kv/name_cipher.h"

namespace belfry::kv {

// The cipher for a mount's names: its key is made when it is first needed, and stored for good at
// "<backend uuid>/names". Thread-safe.
class KeyNames {
 public:
  explicit KeyNames(std::string_view backend_uuid) : path_(std::string(backend_uuid) + "/names") {}

  // Where its key is stored.
  const std::string& path() const { return path_; }
  // Shared: it stays usable when it is forgotten. Codes as of Storage; DataLoss when what is stored
  // is no key.
  absl::StatusOr<std::shared_ptr<const NameCipher>> Cipher(Storage& storage);
  // What is directly in `folder` ("" or "a/b/") of the keys stored below `prefix` under their
  // names, in lexical order.
  absl::StatusOr<std::vector<std::string>> List(Storage& storage, std::string_view prefix,
                                                std::string_view folder);
  // Where the key is stored, it is read again.
  void Invalidate(std::string_view key);

 private:
  absl::StatusOr<std::string> LoadOrMakeKey(Storage& storage) const;

  const std::string path_;
  std::mutex mutex_;
  std::shared_ptr<const NameCipher> cipher_;  // Guarded by mutex_.
};

}  // namespace belfry::kv
