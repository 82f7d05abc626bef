#include "sdk/src/stdio_buffer.h"

#include <thread>

#include "gtest/gtest.h"

namespace belfry::internal {
namespace {

constexpr auto kNever = [] { return false; };

TEST(StdioBufferTest, GivesWhatWasPrintedInChunksOfAtMostAKilobyte) {
  StdioBuffer buffer;
  buffer.Append(std::string(1500, 'x'));
  EXPECT_EQ(buffer.Next(kNever)->size(), 1024u);
  EXPECT_EQ(buffer.Next(kNever)->size(), 476u);
}

TEST(StdioBufferTest, NeverBlocksThePrinterAndSaysWhatWasDropped) {
  StdioBuffer buffer;
  buffer.Append(std::string(StdioBuffer::kMaxBytes, 'x'));
  buffer.Append("lost");
  std::string all;
  while (all.size() < StdioBuffer::kMaxBytes) all += *buffer.Next(kNever);
  EXPECT_EQ(all, std::string(StdioBuffer::kMaxBytes, 'x'));
  EXPECT_EQ(*buffer.Next(kNever), "\n[4 bytes of output were dropped]\n");
  buffer.Append("again");
  EXPECT_EQ(*buffer.Next(kNever), "again");
}

TEST(StdioBufferTest, StopAndCancellationEndTheWait) {
  StdioBuffer buffer;
  EXPECT_EQ(buffer.Next([] { return true; }), std::nullopt);
  std::thread stopper([&buffer] { buffer.Stop(); });
  EXPECT_EQ(buffer.Next(kNever), std::nullopt);
  stopper.join();
}

}  // namespace
}  // namespace belfry::internal
