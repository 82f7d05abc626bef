#include "server/http/tls_context.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "base/clock.h"
#include "base/testing.h"
#include "base/text.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/http/test_certificates.h"

namespace belfry::http {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class TlsContextTest : public ::testing::Test {
 protected:
  const TestFolder folder_;
  FakeClock clock_{absl::Now()};
  const std::shared_ptr<RecordingLogSink> log_ = std::make_shared<RecordingLogSink>();
  const TestCertificate certificate_ = MakeCertificate();
  TlsOptions options_ = folder_.Write(certificate_);

  absl::StatusOr<std::unique_ptr<TlsContext>> Load() {
    return TlsContext::Load(options_, &clock_, Logger(log_, "http"));
  }
  // What Load says, which must fail with this code.
  std::string LoadFails(absl::StatusCode code) {
    const absl::Status status = Load().status();
    EXPECT_EQ(status.code(), code) << status;
    return std::string(ToStd(status.message()));
  }
};

TEST_F(TlsContextTest, LoadsWhatIsInOrderWithoutAWord) {
  EXPECT_EQ(Load().status(), absl::OkStatus());
  EXPECT_THAT(log_->Lines(), IsEmpty());
}

TEST_F(TlsContextTest, CertificateAndKeyMayBeInOneFile) {
  options_.certificate_file = options_.key_file =
      folder_.Write("both.pem", certificate_.KeyPem() + certificate_.Pem());
  EXPECT_EQ(Load().status(), absl::OkStatus());
}

TEST_F(TlsContextTest, MissingFilesAreNamed) {
  options_.key_file = folder_.path("gone.key");
  EXPECT_EQ(LoadFails(absl::StatusCode::kNotFound),
            "tls_key_file: cannot read " + options_.key_file + ": No such file or directory");
  options_.certificate_file = folder_.path("gone.pem");
  EXPECT_EQ(
      LoadFails(absl::StatusCode::kNotFound),
      "tls_cert_file: cannot read " + options_.certificate_file + ": No such file or directory");
  options_.certificate_file = "";
  EXPECT_THAT(LoadFails(absl::StatusCode::kInvalidArgument),
              HasSubstr("tls_cert_file: is missing"));
}

TEST_F(TlsContextTest, UnreadableFilesAreNamed) {
  options_.certificate_file = folder_.path("");
  EXPECT_THAT(LoadFails(absl::StatusCode::kUnavailable), HasSubstr("Is a directory"));
  if (::geteuid() == 0) return;  // Who may read every file.
  options_ = folder_.Write(certificate_);
  ::chmod(options_.key_file.c_str(), 0);
  EXPECT_THAT(LoadFails(absl::StatusCode::kPermissionDenied),
              HasSubstr("let the server's user read it"));
}

TEST_F(TlsContextTest, WhatIsNotPemIsSaidToBe) {
  options_.certificate_file = folder_.Write("server.der", std::string("\x30\x82\x00", 3));
  EXPECT_THAT(LoadFails(absl::StatusCode::kInvalidArgument),
              HasSubstr("server.der holds no certificate in PEM form"));
  options_ = folder_.Write(certificate_);
  options_.key_file = folder_.Write("key.txt", "secret");
  EXPECT_THAT(LoadFails(absl::StatusCode::kInvalidArgument),
              HasSubstr("key.txt holds no private key in PEM form"));
  options_.key_file = folder_.Write("large", std::string(1024 * 1024 + 1, ' '));
  EXPECT_THAT(LoadFails(absl::StatusCode::kInvalidArgument), HasSubstr("larger than 1 MiB"));
}

TEST_F(TlsContextTest, ADamagedCertificateOfTheChainIsCounted) {
  std::string damaged = certificate_.Pem();
  damaged[damaged.size() / 2] = '!';
  options_.certificate_file = folder_.Write("chain.pem", certificate_.Pem() + damaged);
  EXPECT_THAT(LoadFails(absl::StatusCode::kInvalidArgument),
              HasSubstr("tls_cert_file: certificate 2 in " + options_.certificate_file));
}

TEST_F(TlsContextTest, AKeyOfAnotherCertificateIsRefused) {
  options_.key_file = folder_.Write("other.key", MakeCertificate().KeyPem());
  EXPECT_THAT(
      LoadFails(absl::StatusCode::kInvalidArgument),
      HasSubstr("does not belong to the first certificate in " + options_.certificate_file));
}

TEST_F(TlsContextTest, AnEncryptedKeyIsRefusedWithoutAskingForItsPassphrase) {
  options_.key_file = folder_.Write("encrypted.key", certificate_.KeyPem("passphrase"));
  EXPECT_THAT(LoadFails(absl::StatusCode::kInvalidArgument),
              HasSubstr("is encrypted, and there is nobody to ask for its passphrase; decrypt it: "
                        "openssl pkey -in " +
                        options_.key_file));
}

TEST_F(TlsContextTest, AKeyThatIsTooSmallIsRefused) {
  options_ = folder_.Write(MakeCertificate({.rsa_bits = 1024}));
  EXPECT_THAT(LoadFails(absl::StatusCode::kInvalidArgument), HasSubstr("key too small"));
}

TEST_F(TlsContextTest, ACertificateThatIsOutOfItsTimeIsAWarning) {
  clock_.Advance(absl::Hours(2));
  EXPECT_EQ(Load().status(), absl::OkStatus());
  clock_.SetWallClock(absl::Now() - absl::Hours(2));
  EXPECT_EQ(Load().status(), absl::OkStatus());
  EXPECT_THAT(log_->Lines(), ElementsAre(HasSubstr("has expired"), HasSubstr("not valid yet")));
}

TEST_F(TlsContextTest, AKeyThatEveryUserMayReadOrWriteIsAWarning) {
  for (const auto others :
       {std::filesystem::perms::others_read, std::filesystem::perms::others_write}) {
    std::filesystem::permissions(options_.key_file, others, std::filesystem::perm_options::add);
    EXPECT_EQ(Load().status(), absl::OkStatus());
    std::filesystem::permissions(options_.key_file, others, std::filesystem::perm_options::remove);
  }
  EXPECT_EQ(Load().status(), absl::OkStatus());
  const auto warning = AllOf(HasSubstr("chmod o-rw"), HasSubstr(options_.key_file));
  EXPECT_THAT(log_->Lines(), ElementsAre(warning, warning));
}

TEST_F(TlsContextTest, ClientsAuthoritiesAreNeededWhereCertificatesAre) {
  options_.without_certificate = TlsOptions::WithoutCertificate::kRefused;
  EXPECT_THAT(LoadFails(absl::StatusCode::kInvalidArgument),
              HasSubstr("tls_client_ca_file: is missing"));
  options_.client_ca_file = folder_.Write("empty.pem", "");
  EXPECT_THAT(
      LoadFails(absl::StatusCode::kInvalidArgument),
      HasSubstr("tls_client_ca_file: " + options_.client_ca_file + " holds no certificate"));
  options_.client_ca_file = options_.certificate_file;
  EXPECT_EQ(Load().status(), absl::OkStatus());
}

TEST_F(TlsContextTest, VersionsMustGoTogether) {
  options_.min_version = TlsVersion::k13;
  options_.max_version = TlsVersion::k12;
  EXPECT_EQ(LoadFails(absl::StatusCode::kInvalidArgument),
            "tls_max_version is below tls_min_version");
}

TEST_F(TlsContextTest, AReloadIsForNewConnectionsAndOnlyIfItSucceeds) {
  absl::StatusOr<std::unique_ptr<TlsContext>> context = Load();
  ASSERT_EQ(context.status(), absl::OkStatus());
  const auto is_of = [](const OpenSslPtr<SSL>& ssl, const TestCertificate& certificate) {
    return X509_cmp(SSL_get_certificate(ssl.get()), certificate.x509.get()) == 0;
  };
  const OpenSslPtr<SSL> before = (*context)->NewConnection();
  const TestCertificate next = MakeCertificate();
  folder_.Write("server.pem", next.Pem());
  // Half of the change is there.
  EXPECT_EQ((*context)->Reload().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(is_of((*context)->NewConnection(), certificate_));
  folder_.Write("server.key", next.KeyPem());
  EXPECT_EQ((*context)->Reload(), absl::OkStatus());
  EXPECT_TRUE(is_of((*context)->NewConnection(), next));
  EXPECT_TRUE(is_of(before, certificate_));
}

}  // namespace
}  // namespace belfry::http
