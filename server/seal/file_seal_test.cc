#include "server/seal/file_seal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "base/text.h"

namespace belfry::seal {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr std::string_view kKey = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

class FileSealTest : public ::testing::Test {
 protected:
  FileSealTest() { Write(Concat({kKey, "\n"}), 0400); }
  ~FileSealTest() override { std::filesystem::remove_all(folder_); }

  void Write(std::string_view text, mode_t mode) {
    std::filesystem::remove(path_);
    std::ofstream(path_, std::ios::binary) << text;
    ASSERT_EQ(chmod(path_.c_str(), mode), 0);
  }
  std::string Refusal() {
    const absl::Status refused = seal_.Wrap(key_).status();
    EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
    return std::string(refused.message());
  }

  const std::string folder_ = [] {
    std::string made = ::testing::TempDir() + "belfry-seal-XXXXXX";
    EXPECT_NE(mkdtemp(made.data()), nullptr);
    return made;
  }();
  const std::string path_ = folder_ + "/seal.key";
  const FileSeal seal_{path_};
  const SecretBytes key_ = SecretBytes::Random(32);
};

TEST_F(FileSealTest, WhatItWrapsItUnwrapsAndNothingOfItShows) {
  const auto wrapped = seal_.Wrap(key_);
  ASSERT_EQ(wrapped.status(), absl::OkStatus());
  EXPECT_THAT(*wrapped, Not(HasSubstr(std::string(key_.view().substr(0, 8)))));
  EXPECT_NE(*wrapped, *seal_.Wrap(key_));
  for (const mode_t mode : {0400, 0600}) {
    Write(kKey, mode);
    const auto unwrapped = seal_.Unwrap(*wrapped);
    ASSERT_EQ(unwrapped.status(), absl::OkStatus());
    EXPECT_TRUE(*unwrapped == key_);
  }
}

TEST_F(FileSealTest, AnotherKeyAndAChangedByteAreRefused) {
  const std::string wrapped = *seal_.Wrap(key_);
  for (std::size_t i = 0; i < wrapped.size(); ++i) {
    std::string changed = wrapped;
    changed[i] ^= 1;
    EXPECT_FALSE(seal_.Unwrap(changed).ok()) << i;
  }
  Write("BBECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", 0400);
  EXPECT_EQ(seal_.Unwrap(wrapped).status(),
            absl::FailedPreconditionError(
                Concat({"the key in ", path_,
                        " does not open seal/unseal-key: put the key back with which the server "
                        "was initialized"})));
}

TEST_F(FileSealTest, AFileThatOthersMayReadIsRefused) {
  for (const mode_t mode : {0644, 0640, 0440, 0404, 0620, 0700, 04400}) {
    Write(kKey, mode);
    EXPECT_THAT(Refusal(), HasSubstr("run \"chmod 0400 ")) << mode;
  }
  Write(kKey, 0644);
  EXPECT_EQ(Refusal(), Concat({"the seal's key file ", path_, " has mode 0644: run \"chmod 0400 ",
                               path_, "\", and make another key if others could have read it"}));
}

TEST_F(FileSealTest, WhatHoldsNoKeyIsRefusedWithWhatItHolds) {
  const std::pair<std::string, std::string> cases[] = {
      {"", "holds nothing"},
      {"\n", "holds nothing"},
      {std::string(32, '\x07'), "holds 32 raw bytes"},
      {std::string(64, 'a'), "holds hex digits"},
      {Concat({kKey, "\n\n"}), "holds something else"},
      {Concat({kKey, kKey}), "holds something else"},
      {std::string(300, 'x'), "holds something else"},
      {std::string("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHg=="), "holds something else"},
  };
  for (const auto& [text, why] : cases) {
    Write(text, 0400);
    const std::string refusal = Refusal();
    EXPECT_THAT(refusal, HasSubstr("must hold 32 bytes in base64 on one line, as \"openssl rand "
                                   "-base64 32\" writes them"));
    EXPECT_THAT(refusal, HasSubstr(why)) << text;
  }
}

TEST_F(FileSealTest, WhatIsNoFileIsRefusedAtOnce) {
  std::filesystem::remove(path_);
  EXPECT_EQ(Refusal(),
            Concat({"cannot read the seal's key file ", path_, ": No such file or directory"}));
  std::filesystem::create_directory(path_);
  EXPECT_THAT(Refusal(), HasSubstr("is not a file"));
  std::filesystem::remove(path_);
  ASSERT_EQ(mkfifo(path_.c_str(), 0400), 0);
  EXPECT_THAT(Refusal(), HasSubstr("is not a file"));
}

}  // namespace
}  // namespace belfry::seal
