#include "server/seal/secret_bytes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <string>
#include <type_traits>
#include <utility>

namespace belfry::seal {
namespace {

// The flags of the mapping that holds an address. (proc(5), smaps)
std::string FlagsOf(const void* address) {
  std::ifstream maps("/proc/self/smaps");
  bool inside = false;
  for (std::string line; std::getline(maps, line);) {
    unsigned long begin = 0;
    unsigned long end = 0;
    char dash = 0;
    std::istringstream fields(line);
    if (fields >> std::hex >> begin >> dash >> end && dash == '-') {
      const auto at = reinterpret_cast<unsigned long>(address);
      inside = begin <= at && at < end;
    } else if (inside && line.starts_with("VmFlags:")) {
      return line + " ";
    }
  }
  return "";
}

TEST(SecretBytesTest, BytesAreNotDumped) {
  const SecretBytes secret = SecretBytes::Random(32);
  EXPECT_THAT(FlagsOf(secret.data()), ::testing::HasSubstr(" dd "));
}

// The sanitizers have mlock do nothing and say that it did.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
TEST(SecretBytesTest, BytesAreLockedIfTheyAreSaidToBe) {
  const SecretBytes secret = SecretBytes::Random(32);
  const std::string flags = FlagsOf(secret.data());
  EXPECT_EQ(secret.locked(), flags.find(" lo ") != std::string::npos) << flags;
  EXPECT_EQ(secret.locked(), CanLockMemory());
}
#endif

TEST(SecretBytesTest, AMoveLeavesNothingBehind) {
  SecretBytes from = SecretBytes::CopyOf("key");
  SecretBytes to = std::move(from);
  EXPECT_EQ(to.view(), "key");
  EXPECT_TRUE(from.empty());
  to = SecretBytes::CopyOf("other");
  EXPECT_EQ(to.view(), "other");
  static_assert(!std::is_copy_constructible_v<SecretBytes>);
}

TEST(SecretBytesTest, TheLastUseUnmapsThePages) {
  const void* pages = nullptr;
  {
    const SecretBytes secret = SecretBytes::Random(32);
    pages = secret.data();
  }
  EXPECT_THAT(FlagsOf(pages), ::testing::Not(::testing::HasSubstr(" dd ")));
}

TEST(SecretBytesTest, RandomBytesDiffer) {
  EXPECT_FALSE(SecretBytes::Random(32) == SecretBytes::Random(32));
  EXPECT_TRUE(SecretBytes(2) == SecretBytes::CopyOf(std::string_view("\0\0", 2)));
  EXPECT_FALSE(SecretBytes(2) == SecretBytes(3));
  EXPECT_TRUE(SecretBytes() == SecretBytes::CopyOf(""));
}

}  // namespace
}  // namespace belfry::seal
