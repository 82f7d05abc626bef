#include "server/seal/seal_manager.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "server/seal/places.h"
#include "server/seal/testing.h"

namespace belfry::seal {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using State = SealManager::State;

const absl::Time kStart = absl::FromUnixSeconds(1'795'873'033);
const absl::Status kWrongKey = absl::InvalidArgumentError(
    "unable to retrieve stored keys: invalid key: failed to decrypt keys from storage: error "
    "decrypting seal wrapped value\nerror decrypting using seal shamir: cipher: message "
    "authentication failed");

class SealManagerTest : public ::testing::Test {
 protected:
  SealManagerTest() { Reopen(); }

  // As after a restart.
  void Reopen() {
    absl::StatusOr<std::unique_ptr<SealManager>> opened = SealManager::Open(&below_, &clock_);
    ASSERT_TRUE(opened.ok()) << opened.status();
    manager_ = *std::move(opened);
  }
  void Initialize(int shares, int threshold) {
    auto made = manager_->Initialize({shares, threshold}, fill_);
    ASSERT_TRUE(made.ok()) << made.status();
    shares_ = *std::move(made);
  }
  absl::StatusOr<SealManager::Status> Give(std::size_t share) {
    return manager_->Unseal(shares_.at(share).Copy());
  }
  absl::Status Put(std::string key, std::string value) {
    return PutOne(manager_->barrier(), std::move(key), std::move(value));
  }

  FakeClock clock_{kStart};
  OpenStorage below_;
  std::function<absl::Status()> fill_ = [] { return absl::OkStatus(); };
  std::unique_ptr<SealManager> manager_;
  std::vector<SecretBytes> shares_;
};

TEST_F(SealManagerTest, AnEmptyStorageIsNotInitializedAndSealed) {
  const SealManager::Status status = manager_->status();
  EXPECT_EQ(status.state, State::kUninitialized);
  EXPECT_FALSE(status.initialized());
  EXPECT_TRUE(status.sealed());
  EXPECT_EQ(status.configuration.shares, 0);
  EXPECT_EQ(manager_->Unseal(SecretBytes(33)).status(),
            absl::InvalidArgumentError("Vault is not initialized"));
  manager_->Seal();
  EXPECT_EQ(manager_->status().state, State::kUninitialized);
}

TEST_F(SealManagerTest, ConfigurationsAreRefusedInVaultsWords) {
  const auto refusal = [this](int shares, int threshold) {
    return std::string(manager_->Initialize({shares, threshold}, fill_).status().message());
  };
  EXPECT_EQ(refusal(0, 0), "invalid seal configuration: shares must be at least one");
  EXPECT_EQ(refusal(1, 0), "invalid seal configuration: threshold must be at least one");
  EXPECT_EQ(refusal(1, 2), "invalid seal configuration: threshold cannot be larger than shares");
  EXPECT_EQ(refusal(2, 1),
            "invalid seal configuration: threshold must be greater than one for multiple shares");
  EXPECT_EQ(refusal(300, 2), "invalid seal configuration: shares must be less than 256");
  EXPECT_EQ(manager_->status().state, State::kUninitialized);
}

TEST_F(SealManagerTest, InitializingGivesSharesAndLeavesItSealed) {
  Initialize(3, 2);
  ASSERT_EQ(shares_.size(), 3u);
  for (const SecretBytes& share : shares_) EXPECT_EQ(share.size(), 33u);
  const SealManager::Status status = manager_->status();
  EXPECT_EQ(status.state, State::kSealed);
  EXPECT_EQ(status.configuration.shares, 3);
  EXPECT_EQ(status.configuration.threshold, 2);
  EXPECT_EQ(manager_->Initialize({3, 2}, fill_).status(),
            absl::InvalidArgumentError("Vault is already initialized"));
}

TEST_F(SealManagerTest, WhatIsFilledInWhileInitializingIsThereAfterUnsealing) {
  fill_ = [this] {
    EXPECT_EQ(manager_->status().state, State::kInitializing);
    EXPECT_FALSE(manager_->status().initialized());
    return Put("sys/token/id/root", "root");
  };
  Initialize(3, 2);
  EXPECT_EQ(manager_->barrier().Get("sys/token/id/root").status(),
            absl::UnavailableError("Vault is sealed"));
  ASSERT_TRUE(Give(0).ok());
  ASSERT_TRUE(Give(2).ok());
  EXPECT_EQ(**manager_->barrier().Get("sys/token/id/root"), "root");
}

TEST_F(SealManagerTest, AnInitializationThatFailsLeavesNothingThatHinders) {
  fill_ = [this] {
    EXPECT_EQ(Put("half/done", "v"), absl::OkStatus());
    return absl::UnavailableError("no");
  };
  EXPECT_EQ(manager_->Initialize({3, 2}, fill_).status(), absl::UnavailableError("no"));
  EXPECT_EQ(manager_->status().state, State::kUninitialized);
  EXPECT_TRUE(manager_->barrier().sealed());
  Reopen();
  EXPECT_EQ(manager_->status().state, State::kUninitialized);
  fill_ = [this] { return Put("whole", "v"); };
  Initialize(1, 1);
  ASSERT_TRUE(Give(0).ok());
  EXPECT_THAT(*manager_->barrier().List(""), ::testing::ElementsAre("whole"));
}

TEST_F(SealManagerTest, ItUnsealsWithEnoughSharesAlsoAfterARestart) {
  Initialize(5, 3);
  Reopen();
  EXPECT_EQ(manager_->status().configuration.shares, 5);
  const SealManager::Status first = *Give(4);
  EXPECT_EQ(first.progress, 1);
  EXPECT_TRUE(first.sealed());
  EXPECT_EQ(first.nonce.size(), 36u);
  EXPECT_EQ(Give(0)->nonce, first.nonce);
  const SealManager::Status last = *Give(2);
  EXPECT_EQ(last.state, State::kUnsealed);
  EXPECT_EQ(last.progress, 0);
  EXPECT_EQ(last.nonce, "");
  EXPECT_EQ(Put("a", "v"), absl::OkStatus());
  EXPECT_EQ(Give(2)->state, State::kUnsealed);
}

TEST_F(SealManagerTest, ASingleShareIsTheKey) {
  Initialize(1, 1);
  EXPECT_EQ(shares_.at(0).size(), 32u);
  EXPECT_EQ(Give(0)->state, State::kUnsealed);
}

TEST_F(SealManagerTest, TheSameShareAgainCountsOnce) {
  Initialize(3, 2);
  const std::string nonce = Give(0)->nonce;
  const SealManager::Status again = *Give(0);
  EXPECT_EQ(again.progress, 1);
  EXPECT_EQ(again.nonce, nonce);
}

TEST_F(SealManagerTest, AResetForgetsTheShares) {
  Initialize(3, 2);
  ASSERT_TRUE(Give(0).ok());
  manager_->ResetUnseal();
  EXPECT_EQ(manager_->status().progress, 0);
  EXPECT_EQ(manager_->status().nonce, "");
  EXPECT_EQ(Give(1)->progress, 1);
}

TEST_F(SealManagerTest, AWrongShareIsRefusedWithTheRecordedWordsAndAllAreGivenAgain) {
  Initialize(3, 2);
  const std::string nonce = Give(0)->nonce;
  EXPECT_EQ(manager_->Unseal(SecretBytes::CopyOf(std::string(33, '\x11'))).status(), kWrongKey);
  EXPECT_EQ(manager_->status().progress, 0);
  const SealManager::Status again = *Give(0);
  EXPECT_EQ(again.progress, 1);
  EXPECT_NE(again.nonce, nonce);
  EXPECT_EQ(Give(1)->state, State::kUnsealed);
}

TEST_F(SealManagerTest, SharesThatCannotBeCombinedAreRefusedAlike) {
  Initialize(3, 2);
  ASSERT_TRUE(manager_->Unseal(SecretBytes(33)).ok());
  EXPECT_EQ(Give(0).status(), kWrongKey);
  ASSERT_TRUE(Give(0).ok());
  SecretBytes same_x = shares_.at(0).Copy();
  same_x.data()[0] ^= 1;
  EXPECT_EQ(manager_->Unseal(std::move(same_x)).status(), kWrongKey);
}

TEST_F(SealManagerTest, SharesOfAWrongLengthAreRefusedAtOnce) {
  Initialize(3, 2);
  EXPECT_EQ(manager_->Unseal(SecretBytes(31)).status(),
            absl::InvalidArgumentError("invalid key: key is shorter than minimum 32 bytes"));
  EXPECT_EQ(manager_->Unseal(SecretBytes(34)).status(),
            absl::InvalidArgumentError("invalid key: key is longer than maximum 33 bytes"));
  EXPECT_EQ(manager_->status().progress, 0);
}

TEST_F(SealManagerTest, SealingMakesEverythingUnavailableUntilItIsUnsealed) {
  Initialize(3, 2);
  ASSERT_TRUE(Give(0).ok() && Give(1).ok());
  ASSERT_EQ(Put("a", "v"), absl::OkStatus());
  manager_->Seal();
  manager_->Seal();
  EXPECT_EQ(manager_->status().state, State::kSealed);
  EXPECT_EQ(manager_->barrier().Get("a").status(), absl::UnavailableError("Vault is sealed"));
  ASSERT_TRUE(Give(1).ok() && Give(2).ok());
  EXPECT_EQ(**manager_->barrier().Get("a"), "v");
}

TEST_F(SealManagerTest, WithoutTheSharesTheStorageYieldsNothing) {
  Initialize(3, 2);
  ASSERT_TRUE(Give(0).ok() && Give(1).ok());
  ASSERT_EQ(Put("secret/planted-name", "planted-value"), absl::OkStatus());
  ASSERT_EQ(manager_->barrier().Rotate(), absl::OkStatus());
  const std::string bytes = below_.Bytes();
  EXPECT_THAT(bytes, Not(HasSubstr("planted")));
  for (const SecretBytes& share : shares_) {
    EXPECT_THAT(bytes, Not(HasSubstr(std::string(share.view().substr(0, 8)))));
  }
}

TEST_F(SealManagerTest, EveryFlippedByteBelowIsRefusedOrDoesNotMatter) {
  Initialize(3, 2);
  ASSERT_TRUE(Give(0).ok() && Give(1).ok());
  ASSERT_EQ(Put("a", "v"), absl::OkStatus());
  manager_->Seal();
  for (const storage::Entry& entry : below_.All()) {
    for (std::size_t i = 0; i < entry.value.size(); ++i) {
      std::string changed = entry.value;
      changed[i] ^= 1;
      below_.Set(entry.key, changed);
      const auto opened = SealManager::Open(&below_, &clock_);
      if (opened.ok()) {
        SealManager& manager = **opened;
        (void)manager.Unseal(shares_[0].Copy());
        (void)manager.Unseal(shares_[1].Copy());
        EXPECT_FALSE(manager.barrier().Get("a").ok()) << entry.key << i;
      } else {
        EXPECT_THAT(std::string(opened.status().message()), HasSubstr("seal/")) << entry.key << i;
      }
    }
    below_.Set(entry.key, entry.value);
  }
  ASSERT_TRUE(Give(0).ok() && Give(1).ok());
  EXPECT_EQ(**manager_->barrier().Get("a"), "v");
}

TEST_F(SealManagerTest, ADamagedKeyringIsNotTakenForAWrongShare) {
  Initialize(1, 1);
  const std::string keyring = **below_.Get(kKeyring);
  std::string changed = keyring;
  changed.back() ^= 1;
  for (const std::optional<std::string>& damaged :
       {std::optional(changed), std::optional<std::string>()}) {
    below_.Set(std::string(kKeyring), damaged);
    EXPECT_EQ(Give(0).status(),
              absl::DataLossError("the unseal key is right and seal/keyring is missing or damaged; "
                                  "restore a copy of the storage"));
  }
  below_.Set(std::string(kKeyring), keyring);
  EXPECT_EQ(Give(0)->state, State::kUnsealed);
}

TEST_F(SealManagerTest, AStorageOfWhichAPartIsMissingIsNotInitializedAgain) {
  Initialize(1, 1);
  for (const std::string_view place : {kSealConfiguration, kRootKey}) {
    const std::optional<std::string> value = *below_.Get(place);
    below_.Set(std::string(place), std::nullopt);
    const absl::Status missing = SealManager::Open(&below_, &clock_).status();
    EXPECT_EQ(missing.code(), absl::StatusCode::kDataLoss);
    EXPECT_THAT(std::string(missing.message()), HasSubstr(std::string(place)));
    below_.Set(std::string(place), value);
  }
}

TEST_F(SealManagerTest, AStorageOfANewerVersionIsRefused) {
  Initialize(1, 1);
  below_.Set(std::string(kSealConfiguration), std::string("\x03whatever"));
  EXPECT_EQ(SealManager::Open(&below_, &clock_).status().code(),
            absl::StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace belfry::seal
