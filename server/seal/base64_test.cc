#include "server/seal/base64.h"

#include <gtest/gtest.h>

#include <string>

namespace belfry::seal {
namespace {

TEST(Base64, WhatIsWrittenIsReadAgainWhateverItsLength) {
  for (std::size_t size = 0; size < 70; ++size) {
    const SecretBytes bytes = SecretBytes::Random(size);
    const SecretBytes text = ToBase64(bytes.view());
    EXPECT_EQ(text.size(), (size + 2) / 3 * 4);
    const auto read = FromBase64(text.view());
    ASSERT_TRUE(read.has_value()) << size;
    EXPECT_TRUE(*read == bytes) << size;
  }
  EXPECT_EQ(ToBase64("any").view(), "YW55");
  EXPECT_EQ(ToBase64("a").view(), "YQ==");
}

TEST(Base64, WhatNobodyWritesIsRefused) {
  for (const std::string_view text : {"YQ", "YQ=", "YR==", "Y===", "====", "YQ==YQ==", "YW5\n",
                                      " YW55   ", "YW55\n\n\n\n", "YW5-", "YW-_"}) {
    EXPECT_FALSE(FromBase64(text).has_value()) << text;
  }
}

}  // namespace
}  // namespace belfry::seal
