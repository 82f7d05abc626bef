#include "server/subscriptions/frame_cache.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

namespace belfry::subscriptions {
namespace {

TEST(FrameCacheTest, AnEventIsEncodedOnceAFormatUntilAnotherTakesItsPlace) {
  FrameCache cache;
  int made = 0;
  const auto get = [&](std::uint64_t sequence, bus::Format format) {
    return cache
        .Get(sequence, format,
             [&] {
               ++made;
               return std::make_shared<const bus::Message>(
                   bus::Message{.bytes = std::to_string(sequence) + " " +
                                         std::to_string(static_cast<int>(format))});
             })
        ->bytes;
  };
  for (int i = 0; i < 3; ++i) {
    for (std::uint64_t sequence = 1; sequence <= FrameCache::kEvents; ++sequence) {
      EXPECT_EQ(get(sequence, bus::Format::kProtobuf), std::to_string(sequence) + " 1");
    }
    EXPECT_EQ(get(7, bus::Format::kCloudEventsJson), "7 0");
  }
  EXPECT_EQ(made, FrameCache::kEvents + 1);
  EXPECT_EQ(get(7 + FrameCache::kEvents, bus::Format::kProtobuf), "4103 1");
  EXPECT_EQ(get(7, bus::Format::kProtobuf), "7 1");
  EXPECT_EQ(made, FrameCache::kEvents + 3);
}

TEST(FrameCacheTest, LongFramesAreNotKept) {
  FrameCache cache;
  int made = 0;
  const auto make = [&made] {
    ++made;
    return std::make_shared<const bus::Message>(
        bus::Message{.bytes = std::string(FrameCache::kLongestFrame + 1, 'a')});
  };
  for (int i = 0; i < 2; ++i) cache.Get(1, bus::Format::kProtobuf, make);
  EXPECT_EQ(made, 2);
}

}  // namespace
}  // namespace belfry::subscriptions
