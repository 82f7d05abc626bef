#include "server/seal/rekey.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "server/seal/seal_manager.h"
#include "server/seal/testing.h"

namespace belfry::seal {
namespace {

const absl::Status kSealed = absl::UnavailableError("Vault is sealed");

absl::Status Invalid(const std::string& text) {
  return absl::InvalidArgumentError(text);
}

SecretBytes Otp() {
  return SecretBytes::CopyOf(std::string_view("a one-time pad"));
}

// An unsealed storage that holds "a", under three shares of which two are needed.
class UnsealedTest : public ::testing::Test {
 protected:
  UnsealedTest() {
    shares_ = *manager_->Initialize({3, 2}, [this] { return PutOne(barrier(), "a", "v"); });
    EXPECT_TRUE(Unseals(shares_));
  }

  Barrier& barrier() { return manager_->barrier(); }
  Rekey& rekey() { return manager_->rekey(); }
  RootGeneration& generation() { return manager_->root_generation(); }

  // From sealed, with the first `needed`.
  bool Unseals(const std::vector<SecretBytes>& shares, std::size_t needed = 2) {
    manager_->Seal();
    manager_->ResetUnseal();
    for (std::size_t i = 0; i < needed; ++i) (void)manager_->Unseal(shares.at(i).Copy());
    const auto value = barrier().Get("a");
    return value.ok() && *value == "v";
  }
  absl::StatusOr<Rekey::Given> Give(std::size_t share) {
    return rekey().Give(shares_.at(share).Copy(), rekey().status()->nonce);
  }
  absl::StatusOr<Rekey::Given> Verify(const SecretBytes& share) {
    return rekey().Verify(share.Copy(), rekey().status()->verification_nonce);
  }

  FakeClock clock_{absl::FromUnixSeconds(1'795'873'033)};
  OpenStorage below_;
  const std::unique_ptr<SealManager> manager_ = *SealManager::Open(&below_, &clock_);
  std::vector<SecretBytes> shares_;
};

using RekeyTest = UnsealedTest;
using RootGenerationTest = UnsealedTest;

TEST_F(RekeyTest, WithoutAnAttemptOnlyWhatIsRequiredIsKnown) {
  const Rekey::Status status = *rekey().status();
  EXPECT_FALSE(status.started);
  EXPECT_EQ(status.nonce, "");
  EXPECT_EQ(status.required, 2);
  EXPECT_EQ(rekey().Give(shares_[0].Copy(), "x").status(), Invalid("no barrier rekey in progress"));
  EXPECT_EQ(rekey().VerificationStatus().status(), Invalid("no rekey configuration found"));
  EXPECT_EQ(rekey().Verify(SecretBytes(33), "x").status(), Invalid("no rekey configuration found"));
  EXPECT_EQ(rekey().RestartVerification().status(), Invalid("no rekey configuration found"));
  EXPECT_EQ(rekey().Cancel("x"), absl::OkStatus());
}

TEST_F(RekeyTest, AnAttemptIsRefusedInVaultsWords) {
  EXPECT_EQ(rekey().Begin({1, 2}, false).status(),
            Invalid("provided threshold greater than the total shares"));
  EXPECT_EQ(rekey().Begin({0, 0}, false).status(),
            Invalid("invalid rekey seal configuration: shares must be at least one"));
  ASSERT_TRUE(rekey().Begin({2, 2}, false).ok());
  EXPECT_EQ(rekey().Begin({2, 2}, false).status(), Invalid("rekey already in progress"));
}

TEST_F(RekeyTest, NewSharesTakeThePlaceOfTheOld) {
  const Rekey::Status begun = *rekey().Begin({5, 3}, false);
  EXPECT_TRUE(begun.started);
  EXPECT_EQ(begun.wanted.shares, 5);
  EXPECT_EQ(begun.wanted.threshold, 3);
  const Rekey::Given first = *Give(0);
  EXPECT_EQ(first.status.progress, 1);
  EXPECT_FALSE(first.complete);
  const Rekey::Given last = *Give(2);
  EXPECT_TRUE(last.complete);
  EXPECT_EQ(last.status.nonce, begun.nonce);
  ASSERT_EQ(last.shares.size(), 5u);
  EXPECT_FALSE(rekey().status()->started);
  EXPECT_EQ(rekey().status()->required, 3);
  EXPECT_FALSE(Unseals(shares_, 3));
  EXPECT_TRUE(Unseals(last.shares, 3));
  EXPECT_EQ(manager_->status().configuration.shares, 5);
}

TEST_F(RekeyTest, AShareGivenTwiceAndAWrongNonceAreRefused) {
  const std::string nonce = rekey().Begin({2, 2}, false)->nonce;
  EXPECT_EQ(
      rekey().Give(shares_[0].Copy(), "wrong").status(),
      Invalid("incorrect nonce supplied; nonce for this rekey operation is \"" + nonce + "\""));
  ASSERT_TRUE(Give(0).ok());
  EXPECT_EQ(Give(0).status(),
            Invalid("given key has already been provided during this generation operation"));
  EXPECT_EQ(rekey().status()->progress, 1);
}

TEST_F(RekeyTest, WrongSharesChangeNothing) {
  const std::string nonce = rekey().Begin({2, 2}, false)->nonce;
  ASSERT_TRUE(Give(0).ok());
  EXPECT_EQ(rekey().Give(SecretBytes::CopyOf(std::string(33, '\x11')), nonce).status(),
            Invalid("the given keys do not make the unseal key; give them again"));
  EXPECT_EQ(rekey().status()->progress, 0);
  EXPECT_EQ(rekey().status()->nonce, nonce);
  EXPECT_TRUE(Unseals(shares_));
}

TEST_F(RekeyTest, CancellingTakesTheNonce) {
  const std::string nonce = rekey().Begin({2, 2}, false)->nonce;
  EXPECT_EQ(rekey().Cancel("wrong"), Invalid("incorrect nonce supplied"));
  EXPECT_TRUE(rekey().status()->started);
  EXPECT_EQ(rekey().Cancel(nonce), absl::OkStatus());
  EXPECT_FALSE(rekey().status()->started);
}

TEST_F(RekeyTest, WithVerificationTheOldSharesCountUntilTheNewOnesHaveComeBack) {
  ASSERT_TRUE(rekey().Begin({2, 2}, true).ok());
  EXPECT_EQ(rekey().VerificationStatus().status(), Invalid("no rekey configuration found"));
  ASSERT_TRUE(Give(0).ok());
  const Rekey::Given made = *Give(1);
  EXPECT_FALSE(made.complete);
  EXPECT_TRUE(made.status.verification_required);
  EXPECT_NE(made.status.verification_nonce, made.status.nonce);
  ASSERT_EQ(made.shares.size(), 2u);
  EXPECT_EQ(Give(2).status(), Invalid("the new keys have been made and must be verified"));

  EXPECT_EQ(Verify(made.shares[0])->status.verification_progress, 1);
  EXPECT_EQ(rekey().VerificationStatus()->verification_progress, 1);
  EXPECT_EQ(Verify(made.shares[0]).status(),
            Invalid("given key has already been provided during this generation operation"));
  const std::string nonce = rekey().RestartVerification()->verification_nonce;
  EXPECT_NE(nonce, made.status.verification_nonce);
  EXPECT_EQ(rekey().VerificationStatus()->verification_progress, 0);

  ASSERT_TRUE(Verify(made.shares[1]).ok());
  const Rekey::Given last = *Verify(made.shares[0]);
  EXPECT_TRUE(last.complete);
  EXPECT_EQ(last.status.verification_nonce, nonce);
  EXPECT_TRUE(Unseals(made.shares));
}

TEST_F(RekeyTest, WithoutVerificationTheSealKeepsTheOldShares) {
  ASSERT_TRUE(rekey().Begin({2, 2}, true).ok());
  ASSERT_TRUE(Give(0).ok());
  const Rekey::Given made = *Give(1);
  EXPECT_FALSE(Unseals(made.shares));
  EXPECT_TRUE(Unseals(shares_));
  EXPECT_FALSE(rekey().status()->started);
}

TEST_F(RekeyTest, OtherSharesDoNotVerify) {
  ASSERT_TRUE(rekey().Begin({2, 2}, true).ok());
  ASSERT_TRUE(Give(0).ok());
  const Rekey::Given made = *Give(1);
  ASSERT_TRUE(Verify(made.shares[0]).ok());
  EXPECT_EQ(Verify(shares_[2]).status(),
            Invalid("the given keys do not make the unseal key; give them again"));
  EXPECT_EQ(rekey().VerificationStatus()->verification_progress, 0);
}

TEST_F(RekeyTest, WhatCannotBeStoredLeavesTheOldShares) {
  ASSERT_TRUE(rekey().Begin({2, 2}, false).ok());
  ASSERT_TRUE(Give(0).ok());
  below_.refuse_writes = true;
  EXPECT_EQ(Give(1).status(), absl::UnavailableError("the disk is full"));
  below_.refuse_writes = false;
  EXPECT_EQ(manager_->status().configuration.shares, 3);
  EXPECT_EQ(PutOne(barrier(), "b", "v"), absl::OkStatus());
  EXPECT_TRUE(Unseals(shares_));
}

TEST_F(RekeyTest, FromAndToASingleShare) {
  ASSERT_TRUE(rekey().Begin({1, 1}, true).ok());
  ASSERT_TRUE(Give(0).ok());
  Rekey::Given made = *Give(1);
  ASSERT_TRUE(Verify(made.shares.at(0))->complete);
  EXPECT_TRUE(Unseals(made.shares, 1));
  shares_ = std::move(made.shares);
  ASSERT_TRUE(rekey().Begin({3, 2}, false).ok());
  EXPECT_TRUE(Unseals(Give(0)->shares));
}

TEST_F(RekeyTest, SealedItIsUnavailable) {
  ASSERT_TRUE(rekey().Begin({2, 2}, false).ok());
  manager_->Seal();
  EXPECT_EQ(rekey().status().status(), kSealed);
  EXPECT_EQ(rekey().Begin({2, 2}, false).status(), kSealed);
  EXPECT_EQ(rekey().Give(shares_[0].Copy(), "x").status(), kSealed);
  EXPECT_EQ(rekey().Cancel("x"), kSealed);
  EXPECT_EQ(rekey().VerificationStatus().status(), kSealed);
}

TEST_F(RootGenerationTest, EnoughSharesGiveAPermitOnce) {
  EXPECT_FALSE(generation().status()->started);
  EXPECT_EQ(generation().status()->required, 2);
  const std::string nonce = generation().Begin(Otp())->nonce;
  EXPECT_EQ(generation().Begin(Otp()).status(), Invalid("root generation already in progress"));
  const RootGeneration::Given first = *generation().Give(shares_[2].Copy(), nonce);
  EXPECT_FALSE(first.permit.has_value());
  EXPECT_EQ(first.status.progress, 1);
  const RootGeneration::Given last = *generation().Give(shares_[0].Copy(), nonce);
  EXPECT_TRUE(last.permit.has_value());
  EXPECT_EQ(last.otp, Otp());
  EXPECT_EQ(last.status.progress, 2);
  EXPECT_EQ(last.status.nonce, nonce);
  EXPECT_FALSE(generation().status()->started);
  EXPECT_EQ(generation().Give(shares_[0].Copy(), nonce).status(),
            Invalid("no root generation in progress"));
}

TEST_F(RootGenerationTest, SharesAreRefusedInVaultsWords) {
  const std::string nonce = generation().Begin(Otp())->nonce;
  EXPECT_EQ(generation().Give(shares_[0].Copy(), "wrong").status(),
            Invalid("incorrect nonce supplied; nonce for this root generation operation is \"" +
                    nonce + "\""));
  ASSERT_TRUE(generation().Give(shares_[0].Copy(), nonce).ok());
  EXPECT_EQ(generation().Give(shares_[0].Copy(), nonce).status(),
            Invalid("given key has already been provided during this generation operation"));
  EXPECT_EQ(generation().Give(SecretBytes(33), nonce).status(),
            Invalid("the given keys do not make the unseal key; give them again"));
  EXPECT_EQ(generation().status()->progress, 0);
}

TEST_F(RootGenerationTest, CancellingAndSealingForgetTheShares) {
  const std::string nonce = generation().Begin(Otp())->nonce;
  ASSERT_TRUE(generation().Give(shares_[0].Copy(), nonce).ok());
  EXPECT_EQ(generation().Cancel(), absl::OkStatus());
  EXPECT_EQ(generation().Cancel(), absl::OkStatus());
  EXPECT_FALSE(generation().status()->started);
  ASSERT_TRUE(generation().Begin(Otp()).ok());
  manager_->Seal();
  EXPECT_EQ(generation().status().status(), kSealed);
  EXPECT_EQ(generation().Begin(Otp()).status(), kSealed);
  EXPECT_EQ(generation().Give(shares_[0].Copy(), nonce).status(), kSealed);
  EXPECT_EQ(generation().Cancel(), kSealed);
  EXPECT_TRUE(Unseals(shares_));
  EXPECT_FALSE(generation().status()->started);
}

}  // namespace
}  // namespace belfry::seal
