#include "server/access/keyed_hash.h"

#include <gtest/gtest.h>

namespace belfry::access {
namespace {

// RFC 4231, test cases 2 and 6.
TEST(KeyedHash, IsHmacSha256) {
  const KeyedHash jefe("Jefe");
  EXPECT_EQ(jefe.Of("what do ya want for nothing?"),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  EXPECT_EQ(KeyedHash(std::string(131, '\xaa'))
                .Of("Test Using Larger Than Block-Size Key - Hash Key First"),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
  EXPECT_EQ(jefe.Of(""), jefe.Of(""));
  EXPECT_NE(jefe.Of(""), KeyedHash("jefe").Of(""));
}

}  // namespace
}  // namespace belfry::access
