#include "plugins/kv/key_names.h"

#include <openssl/rand.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/escaping.h"
#include "belfry/status_macros.h"
#include "plugins/kv/stored_value.h"

namespace belfry::kv {

absl::StatusOr<std::shared_ptr<const NameCipher>> KeyNames::Cipher(Storage& storage) {
  const std::lock_guard lock(mutex_);
  if (!cipher_) {
    BELFRY_ASSIGN_OR_RETURN(std::string key, LoadOrMakeKey(storage));
    cipher_ = std::make_shared<const NameCipher>(std::move(key));
  }
  return cipher_;
}

absl::StatusOr<std::string> KeyNames::LoadOrMakeKey(Storage& storage) const {
  BELFRY_ASSIGN_OR_RETURN(const std::optional<Json> stored, LoadValue(storage, path_));
  std::string key(NameCipher::kKeyBytes, '\0');
  if (!stored) {
    if (RAND_bytes(reinterpret_cast<unsigned char*>(key.data()), static_cast<int>(key.size())) != 1)
      return absl::InternalError("the system gives no random bytes");
    BELFRY_RETURN_IF_ERROR(storage.Put(path_, EncodeValue(absl::Base64Escape(key))));
    return key;
  }
  const std::string* text = stored->if_string();
  if (text == nullptr || !absl::Base64Unescape(*text, &key) || key.size() != NameCipher::kKeyBytes)
    return absl::DataLossError("the stored name key of this mount is invalid");
  return key;
}

absl::StatusOr<std::vector<std::string>> KeyNames::List(Storage& storage, std::string_view prefix,
                                                        std::string_view folder) {
  BELFRY_ASSIGN_OR_RETURN(const std::shared_ptr<const NameCipher> cipher, Cipher(storage));
  BELFRY_ASSIGN_OR_RETURN(const std::vector<std::string> names,
                          storage.List(std::string(prefix) + cipher->Encrypt(folder)));
  std::vector<std::string> keys;
  keys.reserve(names.size());
  for (const std::string& name : names) {
    BELFRY_ASSIGN_OR_RETURN(std::string key, cipher->Decrypt(folder, name));
    keys.push_back(std::move(key));
  }
  std::sort(keys.begin(), keys.end());
  return keys;
}

void KeyNames::Invalidate(std::string_view key) {
  const std::lock_guard lock(mutex_);
  if (key == path_) cipher_.reset();
}

}  // namespace belfry::kv
