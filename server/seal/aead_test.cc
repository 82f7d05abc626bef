#include "server/seal/aead.h"

#include <gtest/gtest.h>

#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

namespace belfry::seal {
namespace {

std::string Sealed(const Aead& aead, std::string_view plain, std::string_view context) {
  std::string sealed;
  aead.Seal(plain, context, &sealed);
  return sealed;
}

std::optional<std::string> Opened(const Aead& aead, std::string_view sealed,
                                  std::string_view context) {
  std::string plain(sealed.size() < Aead::kOverheadBytes ? 0 : sealed.size() - Aead::kOverheadBytes,
                    '\0');
  if (!aead.Open(sealed, context, plain.data())) return std::nullopt;
  return plain;
}

class AeadTest : public ::testing::Test {
 protected:
  const Aead aead_{SecretBytes::Random(Aead::kKeyBytes)};
};

TEST_F(AeadTest, WhatWasSealedIsOpened) {
  for (const std::string& plain :
       {std::string(), std::string("secret"), std::string(100'000, 'x')}) {
    const std::string sealed = Sealed(aead_, plain, "place");
    EXPECT_EQ(sealed.size(), plain.size() + Aead::kOverheadBytes);
    EXPECT_EQ(Opened(aead_, sealed, "place"), plain);
  }
  EXPECT_EQ(Opened(aead_, Sealed(aead_, "secret", ""), ""), "secret");
}

TEST_F(AeadTest, EveryFlippedBitIsSeen) {
  const std::string sealed = Sealed(aead_, "secret", "place");
  for (std::size_t bit = 0; bit < 8 * sealed.size(); ++bit) {
    std::string changed = sealed;
    changed[bit / 8] ^= static_cast<char>(1 << bit % 8);
    EXPECT_EQ(Opened(aead_, changed, "place"), std::nullopt) << bit;
  }
  for (std::size_t size = 0; size < sealed.size(); ++size) {
    EXPECT_EQ(Opened(aead_, sealed.substr(0, size), "place"), std::nullopt) << size;
  }
}

TEST_F(AeadTest, AnotherContextOrKeyDoesNotOpenIt) {
  const std::string sealed = Sealed(aead_, "secret", "place");
  EXPECT_EQ(Opened(aead_, sealed, "other place"), std::nullopt);
  EXPECT_EQ(Opened(Aead(SecretBytes::Random(32)), sealed, "place"), std::nullopt);
}

TEST_F(AeadTest, NoNonceComesTwiceHoweverManyThreads) {
  std::vector<std::vector<std::string>> nonces(4);
  std::vector<std::thread> threads;
  for (std::vector<std::string>& drawn : nonces) {
    threads.emplace_back([this, &drawn] {
      for (int i = 0; i < 500; ++i) drawn.push_back(Sealed(aead_, "x", "").substr(0, 12));
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::set<std::string> all;
  for (const std::vector<std::string>& drawn : nonces) all.insert(drawn.begin(), drawn.end());
  EXPECT_EQ(all.size(), 2000u);
}

}  // namespace
}  // namespace belfry::seal
