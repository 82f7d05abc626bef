#include "plugins/kv/name_cipher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace belfry::kv {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class NameCipherTest : public ::testing::Test {
 protected:
  const NameCipher cipher_{std::string(NameCipher::kKeyBytes / 2, 'a') +
                           std::string(NameCipher::kKeyBytes / 2, 'b')};
};

TEST_F(NameCipherTest, APartComesBackAsItWas) {
  for (const char* part : {"a", "..", "a b", "\xc3\xa4", "0", "a/", "/"}) {
    const absl::StatusOr<std::string> back = cipher_.Decrypt("", cipher_.Encrypt(part));
    ASSERT_TRUE(back.ok()) << part << ": " << back.status();
    EXPECT_EQ(*back, part);
  }
}

TEST_F(NameCipherTest, ANameTellsNothingButTheDepth) {
  const std::string name = cipher_.Encrypt("customers/anna..b/");
  EXPECT_THAT(name, Not(HasSubstr("customers")));
  EXPECT_THAT(name, Not(HasSubstr("..")));
  EXPECT_EQ(std::count(name.begin(), name.end(), '/'), 2);
}

TEST_F(NameCipherTest, TheSamePathHasTheSameNameAndAnotherKeyAnother) {
  EXPECT_EQ(cipher_.Encrypt("a/b"), cipher_.Encrypt("a/b"));
  const NameCipher other(std::string(NameCipher::kKeyBytes, 'c'));
  EXPECT_NE(cipher_.Encrypt("a/b"), other.Encrypt("a/b"));
}

TEST_F(NameCipherTest, AFoldersNameIsThePathOfWhatIsInIt) {
  EXPECT_TRUE(cipher_.Encrypt("a/b/c").starts_with(cipher_.Encrypt("a/b/")));
}

TEST_F(NameCipherTest, ANameIsGoodForItsFolderOnly) {
  const std::string inside = cipher_.Encrypt("a/b").substr(cipher_.Encrypt("a/").size());
  EXPECT_EQ(*cipher_.Decrypt("a/", inside), "b");
  EXPECT_TRUE(absl::IsDataLoss(cipher_.Decrypt("", inside).status()));
  EXPECT_NE(inside, cipher_.Encrypt("b"));
}

TEST_F(NameCipherTest, WhatWasNotMadeWithTheKeyIsRefused) {
  std::string changed = cipher_.Encrypt("secret");
  changed[3] = changed[3] == 'A' ? 'B' : 'A';
  for (const std::string& name : {changed, std::string("short"), std::string("no base64!"),
                                  std::string(), cipher_.Encrypt("secret").substr(0, 22)}) {
    EXPECT_TRUE(absl::IsDataLoss(cipher_.Decrypt("", name).status())) << name;
  }
}

}  // namespace
}  // namespace belfry::kv
