#include "server/mounts/salted_token.h"

#include <openssl/evp.h>

#include <array>

#include "absl/strings/escaping.h"
#include "base/text.h"

namespace belfry::mounts {

std::string SaltedToken(std::string_view mount_uuid, std::string_view token) {
  const std::string text = Concat({mount_uuid, token});
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned int size = 0;
  EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha1(), nullptr);
  return absl::BytesToHexString(
      absl::string_view(reinterpret_cast<const char*>(digest.data()), size));
}

}  // namespace belfry::mounts
