#include "sdk/src/stdout_capture.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <optional>
#include <string>

#include "gtest/gtest.h"
#include "sdk/src/stop_signal.h"

namespace belfry::internal {
namespace {

// Puts a pipe in the place of standard output, as a host does, and puts it back at the end.
class StdoutCaptureTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::fflush(stdout);
    saved_ = ::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
    int ends[2];
    ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    host_end_ = ends[0];
    ASSERT_GE(::dup2(ends[1], STDOUT_FILENO), 0);
    ::close(ends[1]);
    auto capture = StdoutCapture::Start(&buffer_, [this] { host_left_.Request(); });
    ASSERT_EQ(capture.status(), absl::OkStatus());
    capture_ = *std::move(capture);
  }
  void TearDown() override {
    capture_.reset();
    ::dup2(saved_, STDOUT_FILENO);
    ::close(saved_);
    CloseHostEnd();
  }
  void CloseHostEnd() {
    if (host_end_ >= 0) ::close(host_end_);
    host_end_ = -1;
  }
  std::string HostReads() const {
    char bytes[100];
    const ssize_t count = ::read(host_end_, bytes, sizeof(bytes));
    return std::string(bytes, count > 0 ? static_cast<std::size_t>(count) : 0);
  }

  StdioBuffer buffer_;
  StopSignal host_left_;
  std::unique_ptr<StdoutCapture> capture_;
  int saved_ = -1;
  int host_end_ = -1;
};

TEST_F(StdoutCaptureTest, WhatIsPrintedIsKeptAndTheHostReadsOnlyWhatIsMeantForIt) {
  std::printf("printed\n");
  // This program has printed before, so that its lines are not the SDK's to let go.
  std::fflush(stdout);
  EXPECT_EQ(buffer_.Next([] { return false; }), "printed\n");
  ASSERT_TRUE(capture_->WriteToHost("for the host\n"));
  EXPECT_EQ(HostReads(), "for the host\n");
}

TEST_F(StdoutCaptureTest, WhatWasPrintedBeforeTheEndIsKept) {
  std::printf("without a line break");
  capture_.reset();
  EXPECT_EQ(buffer_.Next([] { return false; }), "without a line break");
}

TEST_F(StdoutCaptureTest, StandardOutputIsTheHostsAgainAfterwards) {
  capture_.reset();
  std::printf("again\n");
  std::fflush(stdout);
  EXPECT_EQ(HostReads(), "again\n");
}

TEST_F(StdoutCaptureTest, ItTellsThatTheHostHasGone) {
  CloseHostEnd();
  host_left_.Wait();
}

}  // namespace
}  // namespace belfry::internal
