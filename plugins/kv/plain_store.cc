#include "plugins/kv/plain_store.h"

#include <memory>

#include "belfry/status_macros.h"

namespace belfry::kv {

absl::StatusOr<std::string> PlainStore::PlaceOf(Storage& storage, std::string_view path) const {
  BELFRY_ASSIGN_OR_RETURN(const std::shared_ptr<const NameCipher> cipher, names_->Cipher(storage));
  return root_ + cipher->Encrypt(path);
}

}  // namespace belfry::kv
