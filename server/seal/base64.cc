#include "server/seal/base64.h"

#include "server/seal/openssl.h"

namespace belfry::seal {

SecretBytes ToBase64(std::string_view bytes) {
  // With the zero byte that OpenSSL writes behind it.
  SecretBytes written((bytes.size() + 2) / 3 * 4 + 1);
  const int size = EVP_EncodeBlock(written.data(), AsBytes(bytes), static_cast<int>(bytes.size()));
  return SecretBytes::CopyOf(written.view().substr(0, static_cast<std::size_t>(size)));
}

std::optional<SecretBytes> FromBase64(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  SecretBytes read(text.size() / 4 * 3 + 1);
  if (EVP_DecodeBlock(read.data(), AsBytes(text), static_cast<int>(text.size())) < 0)
    return std::nullopt;
  const std::size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
  SecretBytes bytes = SecretBytes::CopyOf(read.view().substr(0, text.size() / 4 * 3 - padding));
  // OpenSSL also takes white space around it, and padding in its middle.
  if (ToBase64(bytes.view()).view() != text) return std::nullopt;
  return bytes;
}

}  // namespace belfry::seal
