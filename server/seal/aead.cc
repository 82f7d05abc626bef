#include "server/seal/aead.h"

#include <array>
#include <cstring>

#include "base/ids.h"
#include "server/seal/openssl.h"

namespace belfry::seal {
namespace {

constexpr std::size_t kNonceBytes = 12;
constexpr std::size_t kTagBytes = 16;

// Drawn many at a time, as a draw takes longer than to encrypt a small value.
void NextNonce(char* nonce) {
  thread_local std::array<unsigned char, 64 * kNonceBytes> drawn;
  thread_local std::size_t used = drawn.size();
  if (used == drawn.size()) {
    FillRandom(drawn);
    used = 0;
  }
  std::memcpy(nonce, &drawn[used], kNonceBytes);
  used += kNonceBytes;
}

}  // namespace

struct Aead::State {
  OpenSslPtr<EVP_CIPHER> cipher;
  // Never used itself: others are copies of it, with the key made ready.
  OpenSslPtr<EVP_CIPHER_CTX> keyed;
  Pool<OpenSslPtr<EVP_CIPHER_CTX>> contexts;

  Pool<OpenSslPtr<EVP_CIPHER_CTX>>::Use Context() {
    return contexts.Get([this] {
      OpenSslPtr<EVP_CIPHER_CTX> context(EVP_CIPHER_CTX_new());
      DemandOpenSsl(context != nullptr && EVP_CIPHER_CTX_copy(context.get(), keyed.get()) == 1);
      return context;
    });
  }
};

Aead::Aead(const SecretBytes& key) : state_(std::make_unique<State>()) {
  DemandOpenSsl(key.size() == kKeyBytes);
  state_->cipher.reset(EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr));
  state_->keyed.reset(EVP_CIPHER_CTX_new());
  DemandOpenSsl(state_->cipher != nullptr && state_->keyed != nullptr &&
                EVP_EncryptInit_ex2(state_->keyed.get(), state_->cipher.get(), key.data(), nullptr,
                                    nullptr) == 1);
}

Aead::~Aead() = default;

void Aead::Seal(std::string_view plain, std::string_view context, std::string* sealed) const {
  const std::size_t begin = sealed->size();
  sealed->resize(begin + kNonceBytes + plain.size() + kTagBytes);
  char* const nonce = sealed->data() + begin;
  char* const text = nonce + kNonceBytes;
  NextNonce(nonce);
  const auto use = state_->Context();
  int size = 0;
  DemandOpenSsl(
      EVP_EncryptInit_ex2(use.get(), nullptr, nullptr, AsBytes(nonce), nullptr) == 1 &&
      EVP_EncryptUpdate(use.get(), nullptr, &size, AsBytes(context),
                        static_cast<int>(context.size())) == 1 &&
      EVP_EncryptUpdate(use.get(), AsBytes(text), &size, AsBytes(plain),
                        static_cast<int>(plain.size())) == 1 &&
      EVP_EncryptFinal_ex(use.get(), AsBytes(text) + plain.size(), &size) == 1 &&
      EVP_CIPHER_CTX_ctrl(use.get(), EVP_CTRL_AEAD_GET_TAG, kTagBytes, text + plain.size()) == 1);
}

bool Aead::Open(std::string_view sealed, std::string_view context, char* plain) const {
  if (sealed.size() < kOverheadBytes) return false;
  const std::string_view nonce = sealed.substr(0, kNonceBytes);
  const std::string_view text = sealed.substr(kNonceBytes, sealed.size() - kOverheadBytes);
  std::array<unsigned char, kTagBytes> tag;
  std::memcpy(tag.data(), text.data() + text.size(), kTagBytes);
  const auto use = state_->Context();
  int size = 0;
  DemandOpenSsl(EVP_DecryptInit_ex2(use.get(), nullptr, nullptr, AsBytes(nonce), nullptr) == 1 &&
                EVP_DecryptUpdate(use.get(), nullptr, &size, AsBytes(context),
                                  static_cast<int>(context.size())) == 1 &&
                EVP_DecryptUpdate(use.get(), AsBytes(plain), &size, AsBytes(text),
                                  static_cast<int>(text.size())) == 1 &&
                EVP_CIPHER_CTX_ctrl(use.get(), EVP_CTRL_AEAD_SET_TAG, kTagBytes, tag.data()) == 1);
  return EVP_DecryptFinal_ex(use.get(), AsBytes(plain) + text.size(), &size) == 1;
}

}  // namespace belfry::seal
