#include "server/seal/command_seal.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "base/text.h"
#include "server/seal/program.h"

namespace belfry::seal {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

// Wraps for those who do not look: base64 once more, behind a word.
constexpr std::string_view kWrapper = R"(
read -r text
case $1 in
  wrap) printf 'wrapped:%s' "$text" | base64 ;;
  unwrap) printf '%s' "$text" | base64 -d | cut -d : -f 2- ;;
esac
)";

class CommandSealTest : public ::testing::Test {
 protected:
  ~CommandSealTest() override { std::filesystem::remove_all(folder_); }

  // A seal whose program is this script.
  CommandSeal Seal(std::string_view script, std::vector<std::string> args = {}) {
    std::ofstream(path_) << "#!/bin/sh\n" << script;
    EXPECT_EQ(chmod(path_.c_str(), 0700), 0);
    return CommandSeal({.kind = SealKind::kCommand,
                        .command = path_,
                        .args = std::move(args),
                        .timeout = timeout_});
  }
  // Why it does not wrap, without the name of the program in front.
  std::string Refusal(const CommandSeal& seal) {
    const absl::Status refused = seal.Wrap(key_).status();
    EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
    const std::string begin = Concat({"the seal's program ", path_, " "});
    std::string message(refused.message());
    EXPECT_THAT(message, StartsWith(begin));
    return message.substr(std::min(begin.size(), message.size()));
  }
  std::string ReadFile(std::string_view name) {
    std::ifstream in(folder_ + "/" + std::string(name), std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }

  absl::Duration timeout_ = absl::Minutes(1);
  const std::string folder_ = [] {
    std::string made = ::testing::TempDir() + "belfry-wrap-XXXXXX";
    EXPECT_NE(mkdtemp(made.data()), nullptr);
    return made;
  }();
  const std::string path_ = folder_ + "/wrap";
  const SecretBytes key_ = SecretBytes::Random(32);
};

TEST_F(CommandSealTest, WhatItsProgramWrapsItUnwraps) {
  const CommandSeal seal = Seal(kWrapper);
  EXPECT_EQ(seal.kind(), SealKind::kCommand);
  const auto wrapped = seal.Wrap(key_);
  ASSERT_EQ(wrapped.status(), absl::OkStatus());
  EXPECT_THAT(*wrapped, StartsWith("wrapped:"));
  const auto unwrapped = seal.Unwrap(*wrapped);
  ASSERT_EQ(unwrapped.status(), absl::OkStatus());
  EXPECT_TRUE(*unwrapped == key_);
}

TEST_F(CommandSealTest, TheProgramGetsItsArgumentsAndTheKeyInNoneOfThem) {
  setenv("BELFRY_TEST_TOKEN", "from-the-server", 1);
  // A file that the server has open, and that others could inherit.
  const int open_file = open(Concat({folder_, "/of-the-server"}).c_str(), O_CREAT | O_RDWR, 0600);
  const CommandSeal seal = Seal(Concat({"cd ", folder_,
                                        "\ntr '\\0' '\\n' < /proc/$$/cmdline > arguments\n"
                                        "tr '\\0' '\\n' < /proc/$$/environ > environment\n"
                                        "ls -l /proc/$$/fd > descriptors\n"
                                        "cat > input\necho ZG9uZQ==\n"}),
                                {"-key", "a b"});
  ASSERT_EQ(seal.Wrap(key_).status(), absl::OkStatus());
  unsetenv("BELFRY_TEST_TOKEN");
  EXPECT_THAT(ReadFile("arguments"), HasSubstr("\n-key\na b\nwrap\n"));
  const std::string input = ReadFile("input");
  EXPECT_EQ(input.size(), 45u);
  const std::string text = input.substr(0, 44);
  EXPECT_THAT(ReadFile("arguments"), Not(HasSubstr(text)));
  EXPECT_THAT(ReadFile("environment"), Not(HasSubstr(text)));
  EXPECT_THAT(ReadFile("environment"), Not(HasSubstr("BELFRY_TEST_TOKEN")));
  EXPECT_THAT(ReadFile("environment"), HasSubstr("PATH="));
  EXPECT_THAT(ReadFile("descriptors"), HasSubstr("pipe:"));
  EXPECT_THAT(ReadFile("descriptors"), Not(HasSubstr("of-the-server")));
  close(open_file);
}

TEST_F(CommandSealTest, AnExitCodeIsAFailureWithTheFirstLineOfStandardError) {
  EXPECT_EQ(Refusal(Seal("echo 'the KMS said no' >&2; echo more >&2; echo ZG9uZQ==; exit 3")),
            "exited with code 3: \"the KMS said no\"");
  EXPECT_EQ(Refusal(Seal("exit 1")), "exited with code 1");
  EXPECT_EQ(Refusal(Seal("printf '\\033[2Jx' >&2; exit 1")), "exited with code 1: \"\\x1b[2Jx\"");
  EXPECT_THAT(Refusal(Seal("kill -9 $$")), StartsWith("was ended by signal 9 ("));
  const std::string flood = Refusal(Seal("head -c 1000000 /dev/zero | tr '\\0' x >&2; exit 1"));
  EXPECT_EQ(flood, Concat({"exited with code 1: \"", std::string(256, 'x'), "\""}));
}

TEST_F(CommandSealTest, AProgramThatHangsIsKilledWithWhatItHasStarted) {
  // Long enough for a shell to have begun on a busy machine.
  timeout_ = absl::Seconds(3);
  const CommandSeal seal =
      Seal(Concat({"sleep 1000 & echo $! > ", folder_, "/child; echo waiting >&2; wait"}));
  EXPECT_THAT(Refusal(seal), StartsWith("did not end within "));
  const int child = std::stoi(ReadFile("child"));
  // Until it is reaped it is a zombie.
  const auto runs = [&] {
    std::ifstream stat(Concat({"/proc/", std::to_string(child), "/stat"}));
    std::string line;
    return std::getline(stat, line) && line.substr(line.rfind(')') + 2, 1) != "Z";
  };
  for (int i = 0; i < 1000 && runs(); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  EXPECT_FALSE(runs());
}

TEST_F(CommandSealTest, AChildThatStaysHoldsUpNothing) {
  const auto wrapped = Seal("echo ZG9uZQ==; sleep 1000 & exit 0").Wrap(key_);
  ASSERT_EQ(wrapped.status(), absl::OkStatus());
  EXPECT_EQ(*wrapped, "done");
}

TEST_F(CommandSealTest, WhatItWritesIsBounded) {
  EXPECT_EQ(Refusal(Seal("cat /dev/zero")), "has written more than 16384 bytes and was killed");
  EXPECT_EQ(Refusal(Seal("head -c 16385 /dev/zero")),
            "has written more than 16384 bytes and was killed");
  const auto wrapped = Seal("head -c 16384 /dev/zero | tr '\\0' A").Wrap(key_);
  ASSERT_EQ(wrapped.status(), absl::OkStatus());
  EXPECT_EQ(wrapped->size(), 12288u);
}

TEST_F(CommandSealTest, WhatIsNoBase64IsRefused) {
  EXPECT_EQ(Refusal(Seal("exit 0")),
            "must write base64 on its standard output for \"wrap\", and has written nothing");
  EXPECT_EQ(
      Refusal(Seal("echo not base64!")),
      "must write base64 on its standard output for \"wrap\", and has written something else");
}

TEST_F(CommandSealTest, AProgramThatDoesNotEncryptIsRefused) {
  EXPECT_EQ(Refusal(Seal("cat")), "gives back for \"wrap\" what it was given: it must encrypt it");
}

TEST_F(CommandSealTest, AProgramThatDoesNotReadCostsNoSignal) {
  const std::string large(12000, 'x');
  for (const char* script : {"exec <&-; sleep 0.1; echo ZG9uZQ==", "echo ZG9uZQ=="}) {
    const auto unwrapped = Seal(script).Unwrap(large);
    ASSERT_EQ(unwrapped.status(), absl::OkStatus());
    EXPECT_EQ(unwrapped->view(), "done");
  }
}

TEST_F(CommandSealTest, AProgramThatIsNotThereIsSaid) {
  const CommandSeal seal({.kind = SealKind::kCommand, .command = path_});
  const auto refused = [&] { return std::string(seal.Wrap(key_).status().message()); };
  const std::string begin = Concat({"the seal's program: cannot execute ", path_, ": "});
  EXPECT_EQ(refused(), begin + "No such file or directory");
  std::ofstream(path_) << "#!/bin/sh\n";
  EXPECT_EQ(refused(), begin + "Permission denied");
}

TEST_F(CommandSealTest, ManyAtOnceDoNotMixUpWhatTheyAreGiven) {
  const CommandSeal seal = Seal(kWrapper);
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&seal] {
      for (int round = 0; round < 5; ++round) {
        const SecretBytes key = SecretBytes::Random(32);
        const auto wrapped = seal.Wrap(key);
        ASSERT_EQ(wrapped.status(), absl::OkStatus());
        EXPECT_TRUE(*seal.Unwrap(*wrapped) == key);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace belfry::seal
