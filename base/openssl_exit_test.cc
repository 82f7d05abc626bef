#include "base/openssl_exit.h"

#include <gtest/gtest.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <unistd.h>

#include <cstdlib>

namespace belfry {
namespace {

constexpr int kFreed = 7;

// Ends the process with kFreed if OpenSSL frees what it holds.
[[noreturn]] void UseOpenSslAndExit() {
  unsigned char byte = 0;
  RAND_bytes(&byte, 1);
  OPENSSL_atexit([] { ::_exit(kFreed); });
  std::exit(EXIT_SUCCESS);
}

// Each in a process of its own, in which nothing has used OpenSSL yet.
class OpenSslExitTest : public ::testing::Test {
 protected:
  OpenSslExitTest() { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
};

TEST_F(OpenSslExitTest, ByItselfItFreesWhatItHolds) {
  EXPECT_EXIT(UseOpenSslAndExit(), ::testing::ExitedWithCode(kFreed), "");
}

TEST_F(OpenSslExitTest, KeptItIsThereForThreadsThatStillRun) {
  EXPECT_EXIT(
      {
        KeepOpenSslAtExit();
        UseOpenSslAndExit();
      },
      ::testing::ExitedWithCode(EXIT_SUCCESS), "");
}

}  // namespace
}  // namespace belfry
