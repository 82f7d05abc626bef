#include "server/access/keyed_hash.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include <array>
#include <cstdio>
#include <cstdlib>

#include "absl/strings/escaping.h"

namespace belfry::access {
namespace {

struct Free {
  void operator()(EVP_MAC* mac) const { EVP_MAC_free(mac); }
  void operator()(EVP_MAC_CTX* context) const { EVP_MAC_CTX_free(context); }
};

// Without it nobody can be told from anybody else: the process does not go on.
void Demand(bool works) {
  if (works) return;
  std::fputs("belfry: the cryptographic library gives no HMAC\n", stderr);
  std::abort();
}

const unsigned char* Bytes(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

}  // namespace

struct KeyedHash::State {
  std::unique_ptr<EVP_MAC, Free> mac;
  std::unique_ptr<EVP_MAC_CTX, Free> keyed;
};

KeyedHash::KeyedHash(std::string_view key) : state_(std::make_unique<State>()) {
  state_->mac.reset(EVP_MAC_fetch(nullptr, "HMAC", nullptr));
  Demand(state_->mac != nullptr);
  state_->keyed.reset(EVP_MAC_CTX_new(state_->mac.get()));
  std::array digest{'S', 'H', 'A', '2', '5', '6', '\0'};
  const OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest.data(), 0),
      OSSL_PARAM_construct_end()};
  Demand(EVP_MAC_init(state_->keyed.get(), Bytes(key), key.size(), parameters) == 1);
}

KeyedHash::~KeyedHash() = default;

std::string KeyedHash::Of(std::string_view text) const {
  const std::unique_ptr<EVP_MAC_CTX, Free> context(EVP_MAC_CTX_dup(state_->keyed.get()));
  std::array<unsigned char, EVP_MAX_MD_SIZE> hash;
  std::size_t size = 0;
  Demand(context != nullptr && EVP_MAC_update(context.get(), Bytes(text), text.size()) == 1 &&
         EVP_MAC_final(context.get(), hash.data(), &size, hash.size()) == 1);
  return absl::BytesToHexString({reinterpret_cast<const char*>(hash.data()), size});
}

}  // namespace belfry::access
