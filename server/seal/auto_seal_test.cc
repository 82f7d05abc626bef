// A server that unseals by itself: what is stored, and what it is worth without the seal.
#include "server/seal/auto_seal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "server/seal/places.h"
#include "server/seal/seal_manager.h"
#include "server/seal/testing.h"

namespace belfry::seal {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using State = SealManager::State;

class AutoSealTest : public ::testing::Test {
 protected:
  AutoSealTest() { Reopen(); }

  absl::StatusOr<std::unique_ptr<SealManager>> Open(const AutoSeal* auto_seal) {
    return SealManager::Open(&below_, &clock_, auto_seal);
  }
  // As after a restart.
  void Reopen() {
    auto opened = Open(&seal_);
    ASSERT_TRUE(opened.ok()) << opened.status();
    manager_ = *std::move(opened);
  }
  void Initialize(int shares, int threshold) {
    auto made = manager_->Initialize({shares, threshold}, [] { return absl::OkStatus(); });
    ASSERT_TRUE(made.ok()) << made.status();
    shares_ = *std::move(made);
  }

  FakeClock clock_{absl::FromUnixSeconds(1'795'873'033)};
  OpenStorage below_;
  FakeAutoSeal seal_;
  std::unique_ptr<SealManager> manager_;
  std::vector<SecretBytes> shares_;
};

TEST_F(AutoSealTest, RecoveryKeysAreReplacedAndNothingElse) {
  Initialize(3, 2);
  ASSERT_TRUE(manager_->UnsealByItself().ok());
  ASSERT_EQ(PutOne(manager_->barrier(), "a", "v"), absl::OkStatus());
  Rekey& rekey = manager_->rekey();
  EXPECT_EQ(rekey.Give(shares_[0].Copy(), "x").status(),
            absl::InvalidArgumentError("no recovery rekey in progress"));
  const std::string nonce = rekey.Begin({5, 3}, false)->nonce;
  ASSERT_TRUE(rekey.Give(shares_[0].Copy(), nonce).ok());
  const auto wrong = rekey.Give(SecretBytes(33), nonce);
  EXPECT_THAT(std::string(wrong.status().message()), HasSubstr("do not make the recovery key"));
  ASSERT_TRUE(rekey.Give(shares_[0].Copy(), nonce).ok());
  const auto given = rekey.Give(shares_[1].Copy(), nonce);
  ASSERT_TRUE(given.ok()) << given.status();
  ASSERT_TRUE(given->complete);
  ASSERT_EQ(given->shares.size(), 5);

  // As it unseals with what the seal has wrapped before.
  Reopen();
  ASSERT_EQ(manager_->UnsealByItself()->state, State::kUnsealed);
  EXPECT_EQ(**manager_->barrier().Get("a"), "v");
  EXPECT_EQ(manager_->status().configuration.shares, 5);
  EXPECT_EQ(manager_->status().configuration.threshold, 3);
  RootGeneration& generation = manager_->root_generation();
  const auto allows = [&generation](const std::vector<SecretBytes>& shares, std::size_t needed) {
    const std::string name = generation.Begin(SecretBytes(26))->nonce;
    bool allowed = false;
    for (std::size_t i = 0; i < needed; ++i) {
      const auto result = generation.Give(shares.at(i).Copy(), name);
      allowed = result.ok() && result->permit.has_value();
    }
    EXPECT_EQ(generation.Cancel(), absl::OkStatus());
    return allowed;
  };
  EXPECT_TRUE(allows(given->shares, 3));
  EXPECT_FALSE(allows(shares_, 3));
}

// A replacement is one write.
TEST_F(AutoSealTest, AReplacementOfRecoveryKeysThatFailsLeavesTheOldOnes) {
  Initialize(1, 1);
  ASSERT_TRUE(manager_->UnsealByItself().ok());
  const std::string before = below_.Bytes();
  below_.refuse_writes = true;
  const std::string nonce = manager_->rekey().Begin({2, 2}, false)->nonce;
  EXPECT_FALSE(manager_->rekey().Give(shares_[0].Copy(), nonce).ok());
  EXPECT_EQ(below_.Bytes(), before);
  EXPECT_EQ(manager_->status().configuration.shares, 1);
  below_.refuse_writes = false;
  const int writes = below_.writes;
  const auto given = manager_->rekey().Give(shares_[0].Copy(), nonce);
  ASSERT_TRUE(given.ok()) << given.status();
  EXPECT_EQ(below_.writes, writes + 1);
}

TEST_F(AutoSealTest, ItUnsealsByItselfAlsoAfterARestart) {
  EXPECT_EQ(manager_->status().kind, SealKind::kFile);
  EXPECT_EQ(manager_->UnsealByItself().status(),
            absl::InvalidArgumentError("Vault is not initialized"));
  Initialize(3, 2);
  EXPECT_EQ(manager_->status().state, State::kSealed);
  ASSERT_EQ(manager_->UnsealByItself()->state, State::kUnsealed);
  ASSERT_EQ(PutOne(manager_->barrier(), "a", "v"), absl::OkStatus());
  Reopen();
  EXPECT_EQ(manager_->status().configuration.shares, 3);
  EXPECT_EQ(manager_->status().configuration.threshold, 2);
  ASSERT_EQ(manager_->UnsealByItself()->state, State::kUnsealed);
  EXPECT_EQ(**manager_->barrier().Get("a"), "v");
}

TEST_F(AutoSealTest, ASealThatFailsLeavesItSealedAndIsAskedAgain) {
  Initialize(1, 1);
  seal_.fails = absl::UnavailableError("away");
  EXPECT_EQ(manager_->UnsealByItself().status(), seal_.fails);
  EXPECT_EQ(manager_->status().state, State::kSealed);
  seal_.fails = absl::OkStatus();
  EXPECT_EQ(manager_->UnsealByItself()->state, State::kUnsealed);
}

TEST_F(AutoSealTest, ASealThatGivesAnotherKeyIsNamed) {
  Initialize(1, 1);
  seal_.mask = 0x11;
  const absl::Status refused = manager_->UnsealByItself().status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(refused.message()), HasSubstr("the key that seal \"file\" gives"));
  EXPECT_EQ(manager_->status().state, State::kSealed);
}

TEST_F(AutoSealTest, RecoveryKeysDoNotUnseal) {
  Initialize(1, 1);
  EXPECT_EQ(manager_->Unseal(shares_[0].Copy()).status().code(),
            absl::StatusCode::kInvalidArgument);
  // Nor would they if the storage said that people unseal.
  below_.Set(std::string(kSealConfiguration), std::string("\x01\x01\x01", 3));
  auto shamir = Open(nullptr);
  ASSERT_TRUE(shamir.ok());
  EXPECT_FALSE((*shamir)->Unseal(shares_[0].Copy()).ok());
  EXPECT_EQ((*shamir)->status().state, State::kSealed);
}

TEST_F(AutoSealTest, RecoveryKeysAllowARootToken) {
  Initialize(3, 2);
  ASSERT_TRUE(manager_->UnsealByItself().ok());
  RootGeneration& generation = manager_->root_generation();
  const std::string nonce = generation.Begin(SecretBytes::Random(28))->nonce;
  ASSERT_TRUE(generation.Give(SecretBytes::Random(33), nonce).ok());
  EXPECT_EQ(
      generation.Give(shares_[0].Copy(), nonce).status(),
      absl::InvalidArgumentError("the given keys do not make the recovery key; give them again"));
  ASSERT_TRUE(generation.Give(shares_[0].Copy(), nonce).ok());
  EXPECT_TRUE(generation.Give(shares_[2].Copy(), nonce)->permit.has_value());
}

TEST_F(AutoSealTest, AnotherKindOfSealThanTheStoredOneIsAnErrorThatSaysWhatToDo) {
  Initialize(1, 1);
  EXPECT_EQ(Open(nullptr).status(),
            absl::FailedPreconditionError(
                "the storage was initialized with seal \"file\", and the configuration has no "
                "seal: write the seal \"file\" with which it was initialized; a seal cannot be "
                "changed for another one yet"));
  const FakeAutoSeal command(SealKind::kCommand);
  EXPECT_THAT(std::string(Open(&command).status().message()),
              HasSubstr("the configuration has seal \"command\": write the seal \"file\""));
}

TEST_F(AutoSealTest, AStorageThatPeopleUnsealTakesNoSeal) {
  auto shamir = Open(nullptr);
  ASSERT_TRUE((*shamir)->Initialize({1, 1}, [] { return absl::OkStatus(); }).ok());
  EXPECT_EQ(Open(&seal_).status(),
            absl::FailedPreconditionError(
                "the storage was initialized with no seal, and the configuration has seal "
                "\"file\": remove it and unseal with the unseal keys; a seal cannot be changed for "
                "another one yet"));
}

TEST_F(AutoSealTest, WithoutTheSealTheStorageYieldsNothing) {
  Initialize(3, 2);
  ASSERT_TRUE(manager_->UnsealByItself().ok());
  ASSERT_EQ(PutOne(manager_->barrier(), "planted-name", "planted-value"), absl::OkStatus());
  const std::string bytes = below_.Bytes();
  EXPECT_THAT(bytes, Not(HasSubstr("planted")));
  const SecretBytes key = *seal_.Unwrap(**below_.Get(kUnsealKey));
  EXPECT_THAT(bytes, Not(HasSubstr(std::string(key.view()))));
  for (const SecretBytes& share : shares_) {
    EXPECT_THAT(bytes, Not(HasSubstr(std::string(share.view().substr(0, 8)))));
  }
}

TEST_F(AutoSealTest, EveryFlippedByteOfWhatTheSealKeepsLeavesItSealed) {
  Initialize(3, 2);
  for (const std::string_view place : {kSealConfiguration, kUnsealKey, kRootKey}) {
    const std::string value = **below_.Get(place);
    for (std::size_t i = 0; i < value.size(); ++i) {
      std::string changed = value;
      changed[i] ^= 1;
      below_.Set(std::string(place), changed);
      auto opened = Open(&seal_);
      if (opened.ok()) {
        EXPECT_FALSE((*opened)->UnsealByItself().ok()) << place << i;
      }
    }
    below_.Set(std::string(place), value);
  }
  EXPECT_TRUE(manager_->UnsealByItself().ok());
}

TEST_F(AutoSealTest, AMissingUnsealKeyAndASealOfANewerVersionAreSaid) {
  Initialize(1, 1);
  const std::string key = **below_.Get(kUnsealKey);
  below_.Set(std::string(kUnsealKey), std::nullopt);
  EXPECT_EQ(Open(&seal_).status(),
            absl::DataLossError("seal/unseal-key is missing in an initialized storage; restore a "
                                "copy of it"));
  below_.Set(std::string(kUnsealKey), key);
  below_.Set(std::string(kSealConfiguration), std::string("\x02\x01\x01\x09", 4));
  EXPECT_EQ(Open(&seal_).status().code(), absl::StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace belfry::seal
