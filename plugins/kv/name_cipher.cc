#include "plugins/kv/name_cipher.h"

#include <openssl/evp.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "absl/strings/escaping.h"

namespace belfry::kv {
namespace {

constexpr int kTagBytes = 16;

struct FreeContext {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};
using Context = std::unique_ptr<EVP_CIPHER_CTX, FreeContext>;

// What only a broken installation of OpenSSL does: names must not be stored in the clear instead.
void Require(bool done) {
  if (done) return;
  std::fputs("belfry-kv: OpenSSL cannot encrypt with AES-256-SIV\n", stderr);
  std::abort();
}

unsigned char* Bytes(std::string& text) {
  return reinterpret_cast<unsigned char*>(text.data());
}
const unsigned char* Bytes(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

// What a name is bound to. Never nothing: versions of OpenSSL differ about that (CVE-2023-2975).
std::string BoundTo(std::string_view folder) {
  return "/" + std::string(folder);
}

}  // namespace

struct NameCipher::Algorithm {
  EVP_CIPHER* const cipher = EVP_CIPHER_fetch(nullptr, "AES-256-SIV", nullptr);
  ~Algorithm() { EVP_CIPHER_free(cipher); }
};

NameCipher::NameCipher(std::string key)
    : key_(std::move(key)), algorithm_(std::make_unique<const Algorithm>()) {
  Require(algorithm_->cipher != nullptr && key_.size() == kKeyBytes);
}

NameCipher::~NameCipher() = default;

std::string NameCipher::Encrypt(std::string_view path) const {
  std::string encrypted;
  std::size_t begin = 0;
  while (begin < path.size()) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    encrypted += EncryptPart(path.substr(0, begin), path.substr(begin, end - begin));
    if (end < path.size()) encrypted += '/';
    begin = end + 1;
  }
  return encrypted;
}

// SIV wants something to encrypt: a byte is in front of every part, which may be empty.
std::string NameCipher::EncryptPart(std::string_view folder, std::string_view part) const {
  const std::string bound = BoundTo(folder);
  const std::string plain = "/" + std::string(part);
  std::string sealed(kTagBytes + plain.size(), '\0');
  const Context context(EVP_CIPHER_CTX_new());
  int length = 0;
  Require(EVP_EncryptInit_ex(context.get(), algorithm_->cipher, nullptr,
                             Bytes(std::string_view(key_)), nullptr) == 1 &&
          EVP_EncryptUpdate(context.get(), nullptr, &length, Bytes(std::string_view(bound)),
                            static_cast<int>(bound.size())) == 1 &&
          EVP_EncryptUpdate(context.get(), Bytes(sealed) + kTagBytes, &length,
                            Bytes(std::string_view(plain)), static_cast<int>(plain.size())) == 1 &&
          EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_GET_TAG, kTagBytes, sealed.data()) == 1);
  return absl::WebSafeBase64Escape(sealed);
}

absl::StatusOr<std::string> NameCipher::Decrypt(std::string_view folder,
                                                std::string_view name) const {
  const std::string_view slash = name.ends_with('/') ? "/" : "";
  name.remove_suffix(slash.size());
  const absl::Status unknown =
      absl::DataLossError("a stored name was not made with this mount's key");
  std::string sealed;
  if (!absl::WebSafeBase64Unescape({name.data(), name.size()}, &sealed) ||
      sealed.size() <= kTagBytes) {
    return unknown;
  }
  const std::string bound = BoundTo(folder);
  std::string plain(sealed.size() - kTagBytes, '\0');
  const Context context(EVP_CIPHER_CTX_new());
  int length = 0;
  if (EVP_DecryptInit_ex(context.get(), algorithm_->cipher, nullptr, Bytes(std::string_view(key_)),
                         nullptr) != 1 ||
      EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_SET_TAG, kTagBytes, sealed.data()) != 1 ||
      EVP_DecryptUpdate(context.get(), nullptr, &length, Bytes(std::string_view(bound)),
                        static_cast<int>(bound.size())) != 1 ||
      EVP_DecryptUpdate(context.get(), Bytes(plain), &length, Bytes(sealed) + kTagBytes,
                        static_cast<int>(plain.size())) != 1) {
    return unknown;
  }
  return plain.substr(1) + std::string(slash);
}

}  // namespace belfry::kv
