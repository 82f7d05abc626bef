#include "server/http/test_certificates.h"

#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "gtest/gtest.h"

namespace belfry::http {
namespace {

std::string Contents(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return {data, static_cast<std::size_t>(size)};
}

void SetName(X509_NAME* name, const std::string& text) {
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(text.c_str()), -1, -1, 0);
}

void AddExtension(X509* certificate, X509* issuer, int id, const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* const extension = X509V3_EXT_conf_nid(nullptr, &context, id, value);
  EXPECT_NE(extension, nullptr) << value;
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

}  // namespace

std::string TestCertificate::Pem() const {
  const OpenSslPtr<BIO> bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509(bio.get(), x509.get());
  return Contents(bio.get());
}

std::string TestCertificate::KeyPem(std::string_view passphrase) const {
  const OpenSslPtr<BIO> bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_PKCS8PrivateKey(bio.get(), key.get(),
                                passphrase.empty() ? nullptr : EVP_aes_256_cbc(), passphrase.data(),
                                static_cast<int>(passphrase.size()), nullptr, nullptr);
  return Contents(bio.get());
}

TestCertificate MakeCertificate(const CertificateSpec& spec) {
  TestCertificate made{
      OpenSslPtr<X509>(X509_new()),
      OpenSslPtr<EVP_PKEY>(spec.rsa_bits == 0 ? EVP_EC_gen("P-256") : EVP_RSA_gen(spec.rsa_bits))};
  X509* const x509 = made.x509.get();
  X509* const issuer = spec.issuer == nullptr ? x509 : spec.issuer->x509.get();
  static long serial = 0;
  X509_set_version(x509, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(x509), ++serial);
  ASN1_TIME_set(X509_getm_notBefore(x509), absl::ToTimeT(spec.valid_from));
  ASN1_TIME_set(X509_getm_notAfter(x509), absl::ToTimeT(spec.valid_until));
  SetName(X509_get_subject_name(x509), spec.name);
  X509_set_issuer_name(x509, X509_get_subject_name(issuer));
  X509_set_pubkey(x509, made.key.get());
  if (spec.issuer == nullptr) {
    AddExtension(x509, issuer, NID_basic_constraints, "critical,CA:TRUE");
  }
  AddExtension(x509, issuer, NID_ext_key_usage, "serverAuth,clientAuth");
  AddExtension(x509, issuer, NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1");
  EVP_PKEY* const key = spec.issuer == nullptr ? made.key.get() : spec.issuer->key.get();
  EXPECT_GT(X509_sign(x509, key, EVP_sha256()), 0);
  return made;
}

TestFolder::TestFolder() : path_(::testing::TempDir() + "/belfry_tls_XXXXXX") {
  EXPECT_NE(::mkdtemp(path_.data()), nullptr);
}

TestFolder::~TestFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string TestFolder::path(std::string_view name) const {
  return path_ + "/" + std::string(name);
}

std::string TestFolder::Write(std::string_view name, std::string_view content) const {
  std::string file = path(name);
  std::ofstream(file, std::ios::binary) << content;
  // As a key should be.
  std::filesystem::permissions(
      file, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  return file;
}

TlsOptions TestFolder::Write(const TestCertificate& certificate) const {
  return {.certificate_file = Write("server.pem", certificate.Pem()),
          .key_file = Write("server.key", certificate.KeyPem())};
}

}  // namespace belfry::http
