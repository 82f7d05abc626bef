#include "cli/dev_certificates.h"

#include <fcntl.h>
#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <string_view>
#include <system_error>

#include "absl/strings/ascii.h"
#include "base/descriptor.h"
#include "cli/text.h"

namespace belfry::cli {
namespace {

constexpr std::string_view kAuthority = "/vault-ca.pem";
constexpr std::string_view kCertificate = "/vault-cert.pem";
constexpr std::string_view kKey = "/vault-key.pem";
constexpr long kMonth = 30L * 24 * 3600;

struct FreeOpenSsl {
  void operator()(BIO* bio) const { BIO_free_all(bio); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(X509_EXTENSION* extension) const { X509_EXTENSION_free(extension); }
};
template <typename T>
using OpenSslPtr = std::unique_ptr<T, FreeOpenSsl>;

struct Certificate {
  OpenSslPtr<X509> x509{X509_new()};
  OpenSslPtr<EVP_PKEY> key{EVP_EC_gen("P-256")};
};

bool AddExtension(X509* certificate, X509* issuer, int id, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  const OpenSslPtr<X509_EXTENSION> extension(
      X509V3_EXT_conf_nid(nullptr, &context, id, value.c_str()));
  return extension != nullptr && X509_add_ext(certificate, extension.get(), -1) == 1;
}

bool SetSerial(X509* certificate) {
  std::uint64_t serial = 0;
  return RAND_bytes(reinterpret_cast<unsigned char*>(&serial), sizeof serial) == 1 &&
         ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), serial >> 1) == 1;
}

// Everything but the extensions and the signature.
bool Fill(Certificate& made, X509* issuer, const char* name) {
  X509* const x509 = made.x509.get();
  return made.key != nullptr && X509_set_version(x509, X509_VERSION_3) == 1 && SetSerial(x509) &&
         // Clocks of clients may be a little behind.
         X509_gmtime_adj(X509_getm_notBefore(x509), -3600) != nullptr &&
         X509_gmtime_adj(X509_getm_notAfter(x509), kMonth) != nullptr &&
         X509_NAME_add_entry_by_txt(X509_get_subject_name(x509), "CN", MBSTRING_ASC,
                                    reinterpret_cast<const unsigned char*>(name), -1, -1, 0) == 1 &&
         X509_set_issuer_name(x509, X509_get_subject_name(issuer)) == 1 &&
         X509_set_pubkey(x509, made.key.get()) == 1;
}

bool MakeAuthority(Certificate& made) {
  X509* const x509 = made.x509.get();
  return Fill(made, x509, "Belfry dev mode") &&
         AddExtension(x509, x509, NID_basic_constraints, "critical,CA:TRUE") &&
         AddExtension(x509, x509, NID_key_usage, "critical,keyCertSign,cRLSign") &&
         AddExtension(x509, x509, NID_subject_key_identifier, "hash") &&
         X509_sign(x509, made.key.get(), EVP_sha256()) > 0;
}

bool MakeCertificate(Certificate& made, const Certificate& authority, const std::string& names) {
  X509* const x509 = made.x509.get();
  X509* const issuer = authority.x509.get();
  return Fill(made, issuer, "localhost") &&
         AddExtension(x509, issuer, NID_basic_constraints, "critical,CA:FALSE") &&
         AddExtension(x509, issuer, NID_key_usage, "critical,digitalSignature") &&
         AddExtension(x509, issuer, NID_ext_key_usage, "serverAuth") &&
         AddExtension(x509, issuer, NID_authority_key_identifier, "keyid:always") &&
         AddExtension(x509, issuer, NID_subject_alt_name, names) &&
         X509_sign(x509, authority.key.get(), EVP_sha256()) > 0;
}

std::string Contents(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return {data, static_cast<std::size_t>(size)};
}

std::string PemOf(X509* certificate) {
  const OpenSslPtr<BIO> bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509(bio.get(), certificate);
  return Contents(bio.get());
}

std::string PemOf(EVP_PKEY* key) {
  const OpenSslPtr<BIO> bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_PKCS8PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr);
  return Contents(bio.get());
}

bool IsHostName(std::string_view name) {
  return !name.empty() && name.size() <= 253 && std::ranges::all_of(name, [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '.' || c == '*';
  });
}

// "DNS:localhost,IP:127.0.0.1,…", as OpenSSL reads it.
absl::StatusOr<std::string> AlternativeNames(const std::vector<std::string>& names) {
  std::string text = "DNS:localhost,IP:127.0.0.1,IP:::1";
  for (const std::string& name : names) {
    boost::system::error_code not_ip;
    boost::asio::ip::make_address(name, not_ip);
    if (not_ip && !IsHostName(name)) {
      return absl::InvalidArgumentError(
          Concat("-dev-tls-san: \"", name, "\" is neither a host name nor an IP address"));
    }
    text += Concat(not_ip ? ",DNS:" : ",IP:", name);
  }
  return text;
}

absl::Status CannotWrite(const std::string& file) {
  const std::error_code error(errno, std::generic_category());
  return absl::InvalidArgumentError(Concat("cannot write ", file, ": ", error.message()));
}

}  // namespace

DevCertificates::DevCertificates(std::string folder, bool temporary)
    : folder_(std::move(folder)), temporary_(temporary) {}

DevCertificates::~DevCertificates() {
  std::error_code ignored;
  for (const std::string& file : written_) std::filesystem::remove(file, ignored);
  if (temporary_) std::filesystem::remove(folder_, ignored);
}

// Never over a file that is there: it may be the key of something else.
absl::Status DevCertificates::Write(std::string_view name, std::string_view content) {
  const std::string file = Concat(folder_, name);
  const Descriptor opened(::open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!opened.ok() && errno == EEXIST) {
    return absl::InvalidArgumentError(
        Concat(file, " is there: remove it if an earlier run has left it, or name another folder"));
  }
  if (!opened.ok()) return CannotWrite(file);
  written_.push_back(file);
  if (::write(opened.get(), content.data(), content.size()) !=
      static_cast<ssize_t>(content.size())) {
    return CannotWrite(file);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<DevCertificates>> DevCertificates::Make(
    const std::string& folder, const std::vector<std::string>& names) {
  const absl::StatusOr<std::string> alternative_names = AlternativeNames(names);
  if (!alternative_names.ok()) return alternative_names.status();
  Certificate authority;
  Certificate certificate;
  if (!MakeAuthority(authority) || !MakeCertificate(certificate, authority, *alternative_names)) {
    return absl::InternalError("OpenSSL cannot make the certificates of -dev-tls");
  }
  std::error_code ignored;
  std::string where = folder.empty() ? "" : std::filesystem::absolute(folder, ignored).native();
  if (folder.empty()) {
    std::error_code error;
    std::filesystem::path temporary = std::filesystem::temp_directory_path(error);
    if (error) temporary = "/tmp";
    where = (temporary / "belfry-tls-XXXXXX").native();
    if (::mkdtemp(where.data()) == nullptr) return CannotWrite(where);
  }
  std::unique_ptr<DevCertificates> made(new DevCertificates(where, folder.empty()));
  const std::pair<std::string_view, std::string> files[] = {
      {kAuthority, PemOf(authority.x509.get())},
      {kCertificate, PemOf(certificate.x509.get())},
      {kKey, PemOf(certificate.key.get())}};
  for (const auto& [name, content] : files) {
    if (absl::Status failed = made->Write(name, content); !failed.ok()) return failed;
  }
  return made;
}

std::string DevCertificates::authority_file() const {
  return Concat(folder_, kAuthority);
}

http::TlsOptions DevCertificates::tls() const {
  return {.certificate_file = Concat(folder_, kCertificate), .key_file = Concat(folder_, kKey)};
}

}  // namespace belfry::cli
