#include "sdk/wire/certificate.h"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include <array>
#include <memory>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "base/text.h"

namespace belfry::wire {
namespace {

template <auto F>
struct Freed {
  template <typename T>
  void operator()(T* object) const {
    F(object);
  }
};
using KeyPtr = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;
using X509Ptr = std::unique_ptr<X509, Freed<X509_free>>;
using BioPtr = std::unique_ptr<BIO, Freed<BIO_free_all>>;
using BigNumberPtr = std::unique_ptr<BIGNUM, Freed<BN_free>>;
using ExtensionPtr = std::unique_ptr<X509_EXTENSION, Freed<X509_EXTENSION_free>>;

constexpr int kValidDays = 262980 / 24;
// Long before it is made: who holds it is known by the handshake, and when somebody sets the clock
// back, connections of a process that runs must still come about.
constexpr int kValidBeforeDays = 10 * 365;
constexpr std::string_view kBase64 =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

absl::Status Failed(std::string_view step) {
  return absl::InternalError(Concat({"OpenSSL could not ", step, " for the plugin connection"}));
}

std::string Contents(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return std::string(data, static_cast<std::size_t>(size));
}

bool SetRandomSerial(X509* certificate) {
  std::array<unsigned char, 16> bytes;
  if (RAND_bytes(bytes.data(), bytes.size()) != 1) return false;
  bytes[0] = (bytes[0] & 0x7f) | 0x01;  // Go's verification wants a positive number.
  const BigNumberPtr number(BN_bin2bn(bytes.data(), bytes.size(), nullptr));
  return number && BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate));
}

bool SetNames(X509* certificate) {
  X509_NAME* name = X509_get_subject_name(certificate);
  const auto add = [name](const char* field, const char* value) {
    return X509_NAME_add_entry_by_txt(name, field, MBSTRING_ASC,
                                      reinterpret_cast<const unsigned char*>(value), -1, -1,
                                      0) == 1;
  };
  return add("O", "HashiCorp") && add("CN", "localhost") &&
         X509_set_issuer_name(certificate, name) == 1;
}

bool SetValidity(X509* certificate) {
  return X509_time_adj_ex(X509_getm_notBefore(certificate), -kValidBeforeDays, 0, nullptr) &&
         X509_time_adj_ex(X509_getm_notAfter(certificate), kValidDays, 0, nullptr);
}

bool AddExtension(X509* certificate, int id, const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, certificate, certificate, nullptr, nullptr, 0);
  const ExtensionPtr extension(X509V3_EXT_conf_nid(nullptr, &context, id, value));
  return extension && X509_add_ext(certificate, extension.get(), -1) == 1;
}

// What go-plugin puts into its own. (plugin-protocol 2.1)
bool AddExtensions(X509* certificate) {
  return AddExtension(certificate, NID_key_usage,
                      "critical,digitalSignature,keyEncipherment,keyAgreement,keyCertSign") &&
         AddExtension(certificate, NID_ext_key_usage, "clientAuth,serverAuth") &&
         AddExtension(certificate, NID_basic_constraints, "critical,CA:TRUE") &&
         AddExtension(certificate, NID_subject_key_identifier, "hash") &&
         AddExtension(certificate, NID_subject_alt_name, "DNS:localhost");
}

absl::StatusOr<std::string> ToDer(X509* certificate) {
  const int size = i2d_X509(certificate, nullptr);
  if (size <= 0) return Failed("encode a certificate");
  std::string der(static_cast<std::size_t>(size), '\0');
  auto* out = reinterpret_cast<unsigned char*>(der.data());
  if (i2d_X509(certificate, &out) != size) return Failed("encode a certificate");
  return der;
}

// OpenSSL reads BER too, and would hand on another text than the one that was shown.
bool IsDer(X509* certificate, std::string_view bytes) {
  const absl::StatusOr<std::string> der = ToDer(certificate);
  return der.ok() && *der == bytes;
}

absl::StatusOr<std::string> ToPem(X509* certificate) {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  if (!bio || PEM_write_bio_X509(bio.get(), certificate) != 1) return Failed("write a certificate");
  return Contents(bio.get());
}

absl::StatusOr<std::string> ToPem(EVP_PKEY* key) {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  if (!bio ||
      PEM_write_bio_PKCS8PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr) != 1) {
    return Failed("write a private key");
  }
  return Contents(bio.get());
}

absl::StatusOr<Certificate> Encode(X509* x509, EVP_PKEY* key) {
  absl::StatusOr<std::string> pem = ToPem(x509);
  if (!pem.ok()) return pem.status();
  absl::StatusOr<std::string> der = ToDer(x509);
  if (!der.ok()) return der.status();
  absl::StatusOr<std::string> key_pem = ToPem(key);
  if (!key_pem.ok()) return key_pem.status();
  return Certificate{.certificate_pem = *std::move(pem),
                     .certificate_der = *std::move(der),
                     .private_key_pem = *std::move(key_pem)};
}

}  // namespace

absl::StatusOr<Certificate> NewCertificate() {
  const KeyPtr key(EVP_EC_gen("P-521"));
  if (!key) return Failed("make a P-521 key");
  const X509Ptr x509(X509_new());
  constexpr long kVersion3 = 2;
  if (!x509 || X509_set_version(x509.get(), kVersion3) != 1 || !SetRandomSerial(x509.get()) ||
      !SetValidity(x509.get()) || !SetNames(x509.get()) ||
      X509_set_pubkey(x509.get(), key.get()) != 1 || !AddExtensions(x509.get())) {
    return Failed("fill in a certificate");
  }
  if (X509_sign(x509.get(), key.get(), EVP_sha512()) == 0) return Failed("sign a certificate");
  return Encode(x509.get(), key.get());
}

std::string EncodeHandshakeCertificate(std::string_view der) {
  std::string field = absl::Base64Escape(ToAbsl(der));
  field.erase(field.find_last_not_of('=') + 1);
  return field;
}

absl::StatusOr<std::string> DecodeHandshakeCertificate(std::string_view field) {
  std::string der;
  // Base64Unescape is lenient about padding, which may be dots, and spaces of all kinds;
  // go-plugin's decoder is not.
  if (field.find_first_not_of(kBase64) != std::string_view::npos ||
      !absl::Base64Unescape(ToAbsl(field), &der)) {
    return absl::InvalidArgumentError(
        "the certificate in the handshake line is not base64 in the standard alphabet without "
        "padding");
  }
  const auto* bytes = reinterpret_cast<const unsigned char*>(der.data());
  const auto* const end = bytes + der.size();
  const X509Ptr x509(d2i_X509(nullptr, &bytes, static_cast<long>(der.size())));
  if (!x509 || bytes != end || !IsDer(x509.get(), der)) {
    return absl::InvalidArgumentError(
        "the certificate in the handshake line is no X.509 certificate in DER form");
  }
  return ToPem(x509.get());
}

}  // namespace belfry::wire
