#include "server/seal/keyring.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "server/seal/places.h"
#include "server/seal/sealed_record.h"

namespace belfry::seal {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

const absl::Time kStart = absl::FromUnixSeconds(1'795'873'033);

class KeyringTest : public ::testing::Test {
 protected:
  const SecretBytes root_key_ = SecretBytes::Random(32);
  Keyring keyring_{kStart};
};

TEST_F(KeyringTest, EverythingComesBack) {
  keyring_.active().encryptions = 12;
  keyring_.Rotate(kStart + absl::Nanoseconds(1));
  keyring_.active().encryptions = 7;
  keyring_.rotation = {.enabled = false, .max_operations = 5'000'000, .interval = absl::Hours(24)};
  const absl::StatusOr<Keyring> opened = Keyring::Open(keyring_.Sealed(root_key_), root_key_);
  ASSERT_TRUE(opened.ok()) << opened.status();
  ASSERT_EQ(opened->terms().size(), 2u);
  for (std::size_t i = 0; i < 2; ++i) {
    const Keyring::Term& was = keyring_.terms()[i];
    const Keyring::Term& is = opened->terms()[i];
    EXPECT_EQ(is.number, i + 1);
    EXPECT_EQ(is.installed, was.installed);
    EXPECT_EQ(is.encryptions, was.encryptions);
    EXPECT_TRUE(*is.key == *was.key);
  }
  EXPECT_TRUE(opened->name_key() == keyring_.name_key());
  EXPECT_FALSE(opened->rotation.enabled);
  EXPECT_EQ(opened->rotation.max_operations, 5'000'000u);
  EXPECT_EQ(opened->rotation.interval, absl::Hours(24));
}

TEST_F(KeyringTest, ARotationKeepsOldKeysAndTheKeyForNames) {
  const std::shared_ptr<const SecretBytes> first = keyring_.active().key;
  const SecretBytes names = keyring_.name_key().Copy();
  keyring_.Rotate(kStart + absl::Hours(1));
  EXPECT_EQ(keyring_.active().number, 2u);
  EXPECT_EQ(keyring_.active().installed, kStart + absl::Hours(1));
  EXPECT_FALSE(*keyring_.active().key == *first);
  EXPECT_TRUE(*keyring_.terms()[0].key == *first);
  EXPECT_TRUE(keyring_.name_key() == names);
}

TEST_F(KeyringTest, NoKeyIsSeenInWhatIsStored) {
  const std::string sealed = keyring_.Sealed(root_key_);
  EXPECT_THAT(sealed, Not(HasSubstr(std::string(keyring_.active().key->view()))));
  EXPECT_THAT(sealed, Not(HasSubstr(std::string(keyring_.name_key().view()))));
}

TEST_F(KeyringTest, AnotherRootKeyOrAFlippedByteDoesNotOpenIt) {
  const std::string sealed = keyring_.Sealed(root_key_);
  EXPECT_EQ(Keyring::Open(sealed, SecretBytes::Random(32)).status(),
            absl::InvalidArgumentError("seal/keyring is not sealed by this key, or damaged"));
  for (std::size_t i = 0; i < sealed.size(); ++i) {
    std::string changed = sealed;
    changed[i] ^= 1;
    EXPECT_FALSE(Keyring::Open(changed, root_key_).ok()) << i;
    EXPECT_FALSE(Keyring::Open(sealed.substr(0, i), root_key_).ok()) << i;
  }
}

TEST_F(KeyringTest, ANewerFormIsNotTakenForDamage) {
  std::string sealed = keyring_.Sealed(root_key_);
  sealed[0] = 2;
  EXPECT_EQ(Keyring::Open(sealed, root_key_).status(),
            absl::FailedPreconditionError(
                "seal/keyring was written by a newer version of Belfry; run that version"));
}

TEST_F(KeyringTest, WhatIsSealedAndNoKeyringIsRefused) {
  for (const std::size_t size : {0, 1, 95, 96, 143, 145, 192}) {
    const std::string sealed = SealRecord(root_key_, kKeyring, "", SecretBytes(size));
    EXPECT_EQ(Keyring::Open(sealed, root_key_).status().code(), absl::StatusCode::kDataLoss)
        << size;
  }
}

TEST_F(KeyringTest, ARecordOpensOnlyInItsPlaceAndContext) {
  const std::string sealed =
      SealRecord(root_key_, kRootKey, "context", SecretBytes::CopyOf("root"));
  EXPECT_EQ(OpenRecord(root_key_, kRootKey, "context", sealed)->view(), "root");
  EXPECT_FALSE(OpenRecord(root_key_, kKeyring, "context", sealed).ok());
  EXPECT_FALSE(OpenRecord(root_key_, kRootKey, "other", sealed).ok());
}

TEST(RotationConfigTest, BoundsAreVaults) {
  EXPECT_EQ(RotationConfig().Check(), absl::OkStatus());
  EXPECT_EQ((RotationConfig{.max_operations = 5'000'000, .interval = absl::Hours(24)}).Check(),
            absl::OkStatus());
  EXPECT_EQ(RotationConfig{.max_operations = 5}.Check(),
            absl::InvalidArgumentError("max_operations must be in the range [1000000,3865470566]"));
  EXPECT_EQ(RotationConfig{.interval = absl::Seconds(1)}.Check(),
            absl::InvalidArgumentError("interval must be greater or equal to 24h0m0s"));
}

}  // namespace
}  // namespace belfry::seal
