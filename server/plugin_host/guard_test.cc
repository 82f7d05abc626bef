#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "base/descriptor.h"
#include "base/spawn.h"
#include "server/plugin_host/process.h"
#include "server/plugin_host/socket_directory.h"

namespace belfry::plugin_host {
namespace {

constexpr char kGuard[] = BELFRY_BIN "/belfry-plugin-guard";

class GuardTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "guardXXXXXX").string();
    folder_ = mkdtemp(pattern.data());
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string folder_;
};

// Ends with the process.
class Silent final : public ProcessObserver {
 public:
  void OnOutput(std::string_view) override {}
  void OnErrorOutput(std::string_view) override {}
  void OnExit(const ExitStatus& status) override { status_ = status; }
  ExitStatus status_;
};

TEST_F(GuardTest, WhenTheHostIsGoneItsPluginsAndSocketsGoToo) {
  const std::string sockets = folder_ + "/s";
  ASSERT_EQ(mkdir(sockets.c_str(), 0700), 0);
  std::ofstream(sockets + "/left") << "x";
  absl::StatusOr<Pipe> pipe = MakePipe();
  ASSERT_TRUE(pipe.ok());
  const absl::StatusOr<pid_t> guard = Spawn({.arguments = {kGuard, "watch", sockets},
                                             .environment = OwnEnvironment(),
                                             .standard_input = pipe->read_end.get()});
  ASSERT_TRUE(guard.ok()) << guard.status();
  pipe->read_end.Close();
  Silent observer;
  absl::StatusOr<std::unique_ptr<Process>> plugin =
      Process::Start({.arguments = {kGuard, "run", "/bin/sleep", "600"},
                      .environment = OwnEnvironment(),
                      .descriptor_3 = pipe->write_end.get()},
                     &observer);
  ASSERT_TRUE(plugin.ok()) << plugin.status();
  // What the kernel does when the host dies. The plugin holds the other copy until it has
  // registered, however early this comes.
  pipe->write_end.Close();
  EXPECT_TRUE((*plugin)->WaitForExit(absl::Seconds(30)));
  int status = 0;
  ASSERT_EQ(waitpid(*guard, &status, 0), *guard);
  EXPECT_EQ(status, 0);
  EXPECT_FALSE(std::filesystem::exists(sockets));
  plugin->reset();
  EXPECT_EQ(observer.status_.signal, SIGKILL);
}

TEST_F(GuardTest, TheSocketFolderIsPrivateAndGoesWithItsOwner) {
  const std::string sockets = folder_ + "/s";
  absl::StatusOr<std::unique_ptr<SocketDirectory>> made = SocketDirectory::Create(sockets, kGuard);
  ASSERT_TRUE(made.ok()) << made.status();
  struct stat found = {};
  ASSERT_EQ(stat(sockets.c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 0777, 0700u);
  ASSERT_TRUE((*made)->MakeFolder().ok());
  made->reset();
  EXPECT_FALSE(std::filesystem::exists(sockets));
}

TEST_F(GuardTest, AFolderWithSomethingInItIsRefused) {
  std::ofstream(folder_ + "/precious") << "x";
  EXPECT_EQ(SocketDirectory::Create(folder_, kGuard).status().code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_TRUE(std::filesystem::exists(folder_ + "/precious"));
}

TEST_F(GuardTest, APathThatIsTooLongForSocketsIsRefused) {
  EXPECT_EQ(SocketDirectory::Create(folder_ + "/" + std::string(100, 'x'), kGuard).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_F(GuardTest, AChildGetsNoDescriptorOfTheHost) {
  absl::StatusOr<Pipe> inherited = MakePipe();
  ASSERT_TRUE(inherited.ok());
  const int leak = dup(inherited->write_end.get());  // Without close-on-exec.
  ASSERT_GE(leak, 3);
  class Output final : public ProcessObserver {
   public:
    void OnOutput(std::string_view bytes) override { text += bytes; }
    void OnErrorOutput(std::string_view) override {}
    void OnExit(const ExitStatus&) override {}
    std::string text;
  } output;
  absl::StatusOr<std::unique_ptr<Process>> list = Process::Start(
      {.arguments = {"/bin/ls", "/proc/self/fd"}, .environment = OwnEnvironment()}, &output);
  ASSERT_TRUE(list.ok()) << list.status();
  EXPECT_TRUE((*list)->WaitForExit(absl::Seconds(30)));
  list->reset();
  close(leak);
  // The last one is the folder itself.
  EXPECT_EQ(output.text, "0\n1\n2\n3\n");
}

TEST_F(GuardTest, AnEndIsSeenWhileAGrandchildKeepsThePipes) {
  Silent observer;
  absl::StatusOr<std::unique_ptr<Process>> shell = Process::Start(
      {.arguments = {"/bin/sh", "-c", "sleep 20 & exit 7"}, .environment = OwnEnvironment()},
      &observer);
  ASSERT_TRUE(shell.ok()) << shell.status();
  EXPECT_TRUE((*shell)->WaitForExit(absl::Seconds(15)));
  shell->reset();
  EXPECT_EQ(observer.status_.code, 7);
}

TEST_F(GuardTest, WhatDoesNotExistCannotBeExecuted) {
  const absl::Status status = Spawn({.arguments = {folder_ + "/none"}, .environment = {}}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(status.message(), "cannot execute " + folder_ + "/none: No such file or directory");
}

}  // namespace
}  // namespace belfry::plugin_host
