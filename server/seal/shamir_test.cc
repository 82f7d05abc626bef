#include "server/seal/shamir.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"

namespace belfry::seal {
namespace {

using Shares = std::vector<SecretBytes>;

Shares Split(const SecretBytes& secret, int shares, int threshold) {
  absl::StatusOr<Shares> split = SplitSecret(secret, shares, threshold);
  EXPECT_TRUE(split.ok()) << split.status();
  return *std::move(split);
}

// Those whose bit is set.
Shares Chosen(const Shares& shares, unsigned set) {
  Shares chosen;
  for (std::size_t i = 0; i < shares.size(); ++i) {
    if ((set >> i & 1) != 0) chosen.push_back(shares[i].Copy());
  }
  return chosen;
}

Shares FromHex(std::initializer_list<const char*> texts) {
  Shares shares;
  for (const char* text : texts) {
    shares.push_back(SecretBytes::CopyOf(std::string_view(absl::HexStringToBytes(text))));
  }
  return shares;
}

TEST(ShamirTest, ThresholdSharesAndMoreGiveTheSecretAndFewerDoNot) {
  const SecretBytes secret = SecretBytes::Random(32);
  for (int count = 2; count <= 6; ++count) {
    for (int threshold = 2; threshold <= count; ++threshold) {
      const Shares shares = Split(secret, count, threshold);
      for (unsigned set = 0; set < 1u << count; ++set) {
        const int given = std::popcount(set);
        if (given < 2) continue;
        const absl::StatusOr<SecretBytes> combined = CombineShares(Chosen(shares, set));
        ASSERT_TRUE(combined.ok()) << combined.status();
        EXPECT_EQ(*combined == secret, given >= threshold) << count << threshold << set;
      }
    }
  }
}

TEST(ShamirTest, TheOrderOfSharesDoesNotMatter) {
  const SecretBytes secret = SecretBytes::Random(32);
  Shares shares = Split(secret, 3, 3);
  std::swap(shares[0], shares[2]);
  EXPECT_TRUE(*CombineShares(shares) == secret);
}

TEST(ShamirTest, AShareIsTheSecretsLengthAndAnXOfItsOwn) {
  const Shares shares = Split(SecretBytes::CopyOf("secret"), 255, 2);
  std::set<unsigned char> xs;
  for (const SecretBytes& share : shares) {
    ASSERT_EQ(share.size(), 7u);
    xs.insert(share.data()[6]);
  }
  EXPECT_EQ(xs.size(), 255u);
  EXPECT_EQ(xs.count(0), 0u);
}

TEST(ShamirTest, AChangedShareGivesAnotherSecret) {
  const SecretBytes secret = SecretBytes::Random(4);
  const Shares shares = Split(secret, 3, 2);
  for (std::size_t byte = 0; byte < 5; ++byte) {
    Shares changed = Chosen(shares, 0b011);
    // The x coordinate becomes one that no other share has.
    changed[0].data()[byte] ^= 0x40;
    EXPECT_FALSE(*CombineShares(changed) == secret) << byte;
  }
}

// The recording golden/http-vault-1.21-seal.jsonl, line 18: three shares of which two are needed.
TEST(ShamirTest, SharesThatVaultHasMadeCombine) {
  const Shares vaults =
      FromHex({"ec48253b75a15a0962ba7df1d7ba5e03e49423176ee8d1e42a0e254e9b1c16e392",
               "b3c804c0e973a9414036407f4fa258bbf951637c71ff3ffe5f30ab0e92839f19a0",
               "01993d499eb2519548a35f3d8d313aa639f6c646669907ba941ee9ab05c559764a"});
  const SecretBytes secret = *CombineShares(vaults);
  for (const unsigned pair : {0b011u, 0b101u, 0b110u}) {
    EXPECT_TRUE(*CombineShares(Chosen(vaults, pair)) == secret) << pair;
  }
}

TEST(ShamirTest, OneShareAloneSaysNothing) {
  // The same secret again and again: the first byte of a share takes every value.
  std::set<unsigned char> seen;
  for (int i = 0; i < 5000; ++i) seen.insert(Split(SecretBytes(1), 2, 2)[0].data()[0]);
  EXPECT_EQ(seen.size(), 256u);
}

TEST(ShamirTest, SharesThatCannotBelongTogetherAreRefused) {
  const auto refusal = [](std::initializer_list<const char*> shares) {
    return CombineShares(FromHex(shares)).status();
  };
  EXPECT_EQ(refusal({"0101"}),
            absl::InvalidArgumentError("fewer than two shares cannot be combined"));
  EXPECT_EQ(refusal({"0101", "0202", "0101"}),
            absl::InvalidArgumentError("the same share is given twice"));
  EXPECT_EQ(refusal({"0101", "0201"}), absl::InvalidArgumentError("the same share is given twice"));
  EXPECT_EQ(refusal({"0101", "020202"}),
            absl::InvalidArgumentError("all shares must be of one length"));
  EXPECT_EQ(refusal({"0101", "0200"}),
            absl::InvalidArgumentError("a share must not end in a zero byte"));
  EXPECT_EQ(refusal({"01", "02"}), absl::InvalidArgumentError("a share has at least two bytes"));
}

TEST(ShamirTest, WhatCannotBeSplitIsRefused) {
  const SecretBytes secret = SecretBytes::Random(2);
  for (const auto& [shares, threshold] :
       std::vector<std::pair<int, int>>{{1, 1}, {2, 1}, {2, 3}, {256, 2}, {0, 0}, {-1, 2}}) {
    EXPECT_EQ(SplitSecret(secret, shares, threshold).status().code(),
              absl::StatusCode::kInvalidArgument)
        << shares << threshold;
  }
  EXPECT_EQ(SplitSecret(SecretBytes(), 2, 2).status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace belfry::seal
