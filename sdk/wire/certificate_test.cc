#include "sdk/wire/certificate.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <memory>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace belfry::wire {
namespace {

struct X509Free {
  void operator()(X509* x509) const { X509_free(x509); }
};
using X509Ptr = std::unique_ptr<X509, X509Free>;

X509Ptr Parse(const std::string& der) {
  const auto* bytes = reinterpret_cast<const unsigned char*>(der.data());
  return X509Ptr(d2i_X509(nullptr, &bytes, static_cast<long>(der.size())));
}

class CertificateTest : public ::testing::Test {
 protected:
  void SetUp() override {
    absl::StatusOr<Certificate> made = NewCertificate();
    ASSERT_EQ(made.status(), absl::OkStatus());
    certificate_ = *std::move(made);
    x509_ = Parse(certificate_.certificate_der);
    ASSERT_NE(x509_, nullptr);
  }

  Certificate certificate_;
  X509Ptr x509_;
};

TEST_F(CertificateTest, IsAP521KeySignedWithSha512ForLocalhost) {
  EXPECT_EQ(EVP_PKEY_get_bits(X509_get0_pubkey(x509_.get())), 521);
  EXPECT_EQ(X509_get_signature_nid(x509_.get()), NID_ecdsa_with_SHA512);
  EXPECT_EQ(X509_verify(x509_.get(), X509_get0_pubkey(x509_.get())), 1);
  EXPECT_EQ(X509_check_host(x509_.get(), "localhost", 0, 0, nullptr), 1);
  EXPECT_EQ(X509_check_host(x509_.get(), "example.com", 0, 0, nullptr), 0);
}

TEST_F(CertificateTest, IsValidNowForThirtyYearsInBothRoles) {
  int days = 0, seconds = 0;
  // Also when the clock has been set back by a year since.
  ASSERT_EQ(ASN1_TIME_diff(&days, &seconds, nullptr, X509_get0_notBefore(x509_.get())), 1);
  EXPECT_LT(days, -365);
  ASSERT_EQ(ASN1_TIME_diff(&days, &seconds, nullptr, X509_get0_notAfter(x509_.get())), 1);
  EXPECT_NEAR(days, 262980 / 24, 1);
  EXPECT_EQ(X509_get_extended_key_usage(x509_.get()), XKU_SSL_CLIENT | XKU_SSL_SERVER);
  EXPECT_EQ(X509_check_ca(x509_.get()), 1);
}

TEST_F(CertificateTest, TwoAreNeverTheSame) {
  const absl::StatusOr<Certificate> other = NewCertificate();
  ASSERT_EQ(other.status(), absl::OkStatus());
  EXPECT_NE(other->certificate_der, certificate_.certificate_der);
  EXPECT_NE(other->private_key_pem, certificate_.private_key_pem);
}

TEST_F(CertificateTest, SurvivesTheHandshakeField) {
  const std::string field = EncodeHandshakeCertificate(certificate_.certificate_der);
  EXPECT_EQ(field.find('='), std::string::npos);
  const absl::StatusOr<std::string> pem = DecodeHandshakeCertificate(field);
  ASSERT_EQ(pem.status(), absl::OkStatus());
  EXPECT_EQ(*pem, certificate_.certificate_pem);
}

TEST_F(CertificateTest, PaddingUrlAlphabetBerAndTrailingBytesAreRefused) {
  const std::string field = EncodeHandshakeCertificate(certificate_.certificate_der);
  for (const std::string& bad : {field + "=", field + ".", field + "\v", "-" + field.substr(1),
                                 std::string("TUlJ"), std::string()}) {
    EXPECT_EQ(DecodeHandshakeCertificate(bad).status().code(), absl::StatusCode::kInvalidArgument)
        << bad;
  }
  // The same certificate with a length in four bytes, as BER allows.
  const std::string ber =
      absl::StrCat("\x30\x83", std::string(1, '\0'), certificate_.certificate_der.substr(2));
  EXPECT_EQ(DecodeHandshakeCertificate(EncodeHandshakeCertificate(ber)).status().code(),
            absl::StatusCode::kInvalidArgument);
  const std::string longer = EncodeHandshakeCertificate(certificate_.certificate_der + "x");
  EXPECT_EQ(DecodeHandshakeCertificate(longer).status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace belfry::wire
