#include "sdk/src/valid_utf8.h"

#include "gtest/gtest.h"
#include "sdk/src/utf8.h"

namespace belfry::internal {
namespace {

TEST(ValidUtf8Test, LeavesValidTextAlone) {
  for (const char* text : {"", "plain", "\x7f", "é", "€", "\xf0\x9f\x94\x94", "\xf4\x8f\xbf\xbf"})
    EXPECT_EQ(ValidUtf8(text), text);
}

// Each byte that begins no character becomes one U+FFFD.
TEST(ValidUtf8Test, ReplacesEveryByteThatIsNone) {
  const std::string replacement = "\xef\xbf\xbd";
  EXPECT_EQ(ValidUtf8("a\xff"
                      "b"),
            "a" + replacement + "b");
  EXPECT_EQ(ValidUtf8("\xe2\x82"), replacement + replacement);                    // cut short
  EXPECT_EQ(ValidUtf8("\xc0\xaf"), replacement + replacement);                    // overlong
  EXPECT_EQ(ValidUtf8("\xed\xa0\x80"), replacement + replacement + replacement);  // a surrogate
  EXPECT_EQ(ValidUtf8("\xf4\x90\x80\x80").size(), 4 * replacement.size());        // beyond U+10FFFF
}

TEST(ValidUtf8Test, WhatItMakesIsValid) {
  std::string all;
  for (int byte = 0; byte < 256; ++byte) all += static_cast<char>(byte);
  EXPECT_FALSE(IsUtf8(all));
  EXPECT_TRUE(IsUtf8(ValidUtf8(all)));
}

}  // namespace
}  // namespace belfry::internal
