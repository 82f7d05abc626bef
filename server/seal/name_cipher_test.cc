#include "server/seal/name_cipher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace belfry::seal {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class NameCipherTest : public ::testing::Test {
 protected:
  const SecretBytes key_ = SecretBytes::Random(NameCipher::kKeyBytes);
  const NameCipher names_{key_};
};

TEST_F(NameCipherTest, WhatWasSealedIsOpenedWhateverItsShape) {
  for (const std::string& path :
       {std::string(), std::string("a"), std::string("a/b"), std::string("a/"), std::string("/"),
        std::string("//"), std::string("a//b/"), std::string("\0\xff\n", 3),
        std::string(5000, 'x') + "/y"}) {
    EXPECT_EQ(names_.Open(names_.Seal(path)), path) << path;
  }
}

TEST_F(NameCipherTest, ANameIsSealedAlikeAndItsFolderIsFoundInIt) {
  EXPECT_EQ(names_.Seal("a/b"), NameCipher(key_).Seal("a/b"));
  EXPECT_TRUE(names_.Seal("a/b/c").starts_with(names_.Seal("a/b/")));
  EXPECT_NE(names_.Seal("a/b"), NameCipher(SecretBytes::Random(64)).Seal("a/b"));
}

TEST_F(NameCipherTest, WhatWasSealedBeforeChangesNothing) {
  const std::vector<std::string> paths = {"a/b/c", "a/b/d",  "a/b",   "a/b/",   "a//b", "a//b/c",
                                          "/a/b",  "a/b/c/", "a",     "",       "/",    "//",
                                          "b/b/c", "a/bc/d", "a/b/c", "a/b/cc", "ab/c", "a/b/c/d"};
  for (const std::string& before : paths) {
    for (const std::string& path : paths) {
      names_.Seal(before);
      EXPECT_EQ(names_.Seal(path), NameCipher(key_).Seal(path)) << path << " after " << before;
    }
  }
}

TEST_F(NameCipherTest, OneNameLooksDifferentInEachFolder) {
  const std::string sealed = names_.Seal("x/x");
  const std::size_t slash = sealed.find('/');
  EXPECT_NE(sealed.substr(0, slash), sealed.substr(slash + 1));
  EXPECT_NE(names_.Seal("a/x").substr(slash), names_.Seal("b/x").substr(slash));
}

TEST_F(NameCipherTest, NothingOfTheNameIsSeen) {
  const std::string sealed = names_.Seal("secret/production/database");
  for (const char* part : {"secret", "production", "database"}) {
    EXPECT_THAT(sealed, Not(HasSubstr(part)));
  }
  EXPECT_EQ(sealed.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                     "0123456789-_/"),
            std::string::npos);
}

TEST_F(NameCipherTest, APartThatWasMovedOrChangedIsSeen) {
  const std::string sealed = names_.Seal("a/b");
  const std::size_t slash = sealed.find('/');
  EXPECT_EQ(names_.OpenPart(sealed.substr(0, slash + 1), sealed.substr(slash + 1)), "b");
  EXPECT_EQ(names_.OpenPart("", sealed.substr(slash + 1)), std::nullopt);
  EXPECT_EQ(names_.Open(sealed.substr(slash + 1)), std::nullopt);
  for (std::size_t i = 0; i < sealed.size(); ++i) {
    for (const char other : {'A', 'B', 'c', '9', '_', '/', '+', '=', '\0'}) {
      std::string changed = sealed;
      if (changed[i] == other) continue;
      changed[i] = other;
      EXPECT_EQ(names_.Open(changed), std::nullopt) << i << other;
    }
  }
  EXPECT_EQ(names_.Open(sealed + "="), std::nullopt);
  EXPECT_EQ(names_.Open("data"), std::nullopt);
}

TEST_F(NameCipherTest, ThreadsDoNotDisturbEachOther) {
  const std::string sealed = names_.Seal("a/b/c");
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 500; ++i) {
        ASSERT_EQ(names_.Seal("a/b/c"), sealed);
        ASSERT_EQ(names_.Open(sealed), "a/b/c");
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace belfry::seal
