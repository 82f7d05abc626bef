#include "server/seal/name_cipher.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/params.h>

#include <algorithm>
#include <array>

#include "absl/strings/escaping.h"
#include "base/text.h"
#include "server/seal/openssl.h"

namespace belfry::seal {
namespace {

constexpr std::size_t kHalf = NameCipher::kKeyBytes / 2;
constexpr std::size_t kIvBytes = 16;
using Iv = std::array<char, kIvBytes>;

struct SealedName {
  std::string path;
  std::string sealed;
};

// How much of a path, and of what it is sealed to, are folders that it has in common with another.
struct SharedFolders {
  std::size_t path = 0;
  std::size_t sealed = 0;
};

SharedFolders FoldersInCommon(const SealedName& other, std::string_view path) {
  SharedFolders shared;
  const std::size_t most = std::min(path.size(), other.path.size());
  for (std::size_t i = 0; i < most && path[i] == other.path[i]; ++i) {
    if (path[i] != '/') continue;
    shared.path = i + 1;
    shared.sealed = other.sealed.find('/', shared.sealed) + 1;
  }
  return shared;
}

}  // namespace

struct NameCipher::State {
  SecretBytes key;
  OpenSslPtr<EVP_MAC> hmac;
  OpenSslPtr<EVP_CIPHER> ctr;
  Pool<OpenSslPtr<EVP_MAC_CTX>> macs;
  Pool<OpenSslPtr<EVP_CIPHER_CTX>> ciphers;
  // What was sealed last: the next name often lies in the same folder, or near.
  Pool<std::unique_ptr<SealedName>> last;

  OpenSslPtr<EVP_MAC_CTX> NewMac() const {
    OpenSslPtr<EVP_MAC_CTX> context(EVP_MAC_CTX_new(hmac.get()));
    std::array digest{'S', 'H', 'A', '2', '5', '6', '\0'};
    const OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest.data(), 0),
        OSSL_PARAM_construct_end()};
    DemandOpenSsl(context != nullptr &&
                  EVP_MAC_init(context.get(), key.data(), kHalf, parameters) == 1);
    return context;
  }

  OpenSslPtr<EVP_CIPHER_CTX> NewCipher() const {
    OpenSslPtr<EVP_CIPHER_CTX> context(EVP_CIPHER_CTX_new());
    DemandOpenSsl(
        context != nullptr &&
        EVP_EncryptInit_ex2(context.get(), ctr.get(), key.data() + kHalf, nullptr, nullptr) == 1);
    return context;
  }

  // `sealed_folder` ends in '/' or is empty, and `part` has no '/': together they are unambiguous.
  Iv IvOf(std::string_view sealed_folder, std::string_view part) {
    const auto use = macs.Get([this] { return NewMac(); });
    std::array<unsigned char, EVP_MAX_MD_SIZE> hash;
    std::size_t size = 0;
    // Without a key it begins again with the one it has.
    DemandOpenSsl(EVP_MAC_init(use.get(), nullptr, 0, nullptr) == 1 &&
                  EVP_MAC_update(use.get(), AsBytes(sealed_folder), sealed_folder.size()) == 1 &&
                  EVP_MAC_update(use.get(), AsBytes(part), part.size()) == 1 &&
                  EVP_MAC_final(use.get(), hash.data(), &size, hash.size()) == 1 &&
                  size >= kIvBytes);
    Iv iv;
    std::copy(hash.begin(), hash.begin() + kIvBytes, AsBytes(iv.data()));
    return iv;
  }

  // Encrypts and decrypts.
  std::string Crypt(std::string_view iv, std::string_view text) {
    const auto use = ciphers.Get([this] { return NewCipher(); });
    std::string crypted(text.size(), '\0');
    int size = 0;
    DemandOpenSsl(EVP_EncryptInit_ex2(use.get(), nullptr, nullptr, AsBytes(iv), nullptr) == 1 &&
                  EVP_EncryptUpdate(use.get(), AsBytes(crypted.data()), &size, AsBytes(text),
                                    static_cast<int>(text.size())) == 1);
    return crypted;
  }
};

NameCipher::NameCipher(const SecretBytes& key) : state_(std::make_unique<State>()) {
  DemandOpenSsl(key.size() == kKeyBytes);
  state_->key = key.Copy();
  state_->hmac.reset(EVP_MAC_fetch(nullptr, "HMAC", nullptr));
  state_->ctr.reset(EVP_CIPHER_fetch(nullptr, "AES-256-CTR", nullptr));
  DemandOpenSsl(state_->hmac != nullptr && state_->ctr != nullptr);
}

NameCipher::~NameCipher() = default;

std::string NameCipher::Seal(std::string_view path) const {
  const auto last = state_->last.Get([] { return std::make_unique<SealedName>(); });
  const SharedFolders shared = FoldersInCommon(*last.get(), path);
  std::string sealed = last.get()->sealed.substr(0, shared.sealed);
  std::string_view rest = path.substr(shared.path);
  for (std::size_t slash; (slash = rest.find('/')) != std::string_view::npos;) {
    AppendPart(rest.substr(0, slash), &sealed);
    sealed += '/';
    rest.remove_prefix(slash + 1);
  }
  AppendPart(rest, &sealed);
  last.get()->path = path;
  last.get()->sealed = sealed;
  return sealed;
}

void NameCipher::AppendPart(std::string_view part, std::string* sealed_folder) const {
  if (part.empty()) return;
  const Iv iv = state_->IvOf(*sealed_folder, part);
  const std::string_view text(iv.data(), iv.size());
  *sealed_folder += absl::WebSafeBase64Escape(ToAbsl(Concat({text, state_->Crypt(text, part)})));
}

std::optional<std::string> NameCipher::OpenPart(std::string_view sealed_folder,
                                                std::string_view part) const {
  if (part.empty()) return "";
  std::string bytes;
  if (!absl::WebSafeBase64Unescape(ToAbsl(part), &bytes) || bytes.size() <= kIvBytes) {
    return std::nullopt;
  }
  // The same bytes can be written in several ways, of which one is ours.
  if (absl::WebSafeBase64Escape(bytes) != part) return std::nullopt;
  const std::string_view iv = std::string_view(bytes).substr(0, kIvBytes);
  std::string opened = state_->Crypt(iv, std::string_view(bytes).substr(kIvBytes));
  const Iv right = state_->IvOf(sealed_folder, opened);
  if (CRYPTO_memcmp(right.data(), iv.data(), kIvBytes) != 0) return std::nullopt;
  return opened;
}

std::optional<std::string> NameCipher::Open(std::string_view sealed_path) const {
  std::string path;
  std::size_t begin = 0;
  for (;;) {
    const std::size_t slash = sealed_path.find('/', begin);
    const std::optional<std::string> part =
        OpenPart(sealed_path.substr(0, begin), sealed_path.substr(begin, slash - begin));
    if (!part) return std::nullopt;
    path += *part;
    if (slash == std::string_view::npos) return path;
    path += '/';
    begin = slash + 1;
  }
}

}  // namespace belfry::seal
