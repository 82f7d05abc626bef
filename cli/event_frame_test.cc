#include "cli/event_frame.h"

#include <gtest/gtest.h>

#include <string>

namespace belfry::cli {
namespace {

using Kind = EventFrame::Kind;

TEST(EventFrameTest, AnEventHasItsTypeAndItsCursor) {
  const std::string text =
      R"({"type":"*","data":{"event_type":"kv-v2/data-write"},"cursor":"3f9ac2d41e07b856-42"})"
      "\n";
  const EventFrame frame = ReadEventFrame(text);
  EXPECT_EQ(frame.kind, Kind::kEvent);
  EXPECT_EQ(frame.text, text);
  EXPECT_EQ(frame.event_type, "kv-v2/data-write");
  EXPECT_EQ(frame.cursor, "3f9ac2d41e07b856-42");
}

TEST(EventFrameTest, ABookmarkHasACursorAndNoData) {
  const EventFrame frame =
      ReadEventFrame(R"({"type":"belfry.bookmark","cursor":"3f9ac2d41e07b856-43"})");
  EXPECT_EQ(frame.kind, Kind::kBookmark);
  EXPECT_EQ(frame.cursor, "3f9ac2d41e07b856-43");
}

TEST(EventFrameTest, AGapHasAReason) {
  const EventFrame frame = ReadEventFrame(
      R"({"type":"belfry.gap","data":{"reason":"expired"},"cursor":"3f9ac2d41e07b856-44"})");
  EXPECT_EQ(frame.kind, Kind::kGap);
  EXPECT_EQ(frame.event_type, "belfry.gap");
  EXPECT_EQ(frame.gap_reason, "expired");
  EXPECT_EQ(frame.cursor, "3f9ac2d41e07b856-44");
}

TEST(EventFrameTest, WhatItDoesNotUnderstandIsAnEventWithoutACursor) {
  for (const char* text : {"", "no JSON", "[]", "{}", R"({"type":1,"cursor":2,"data":3})",
                           R"({"type":"*","data":{},"cursor":"earliest"})"}) {
    const EventFrame frame = ReadEventFrame(text);
    EXPECT_EQ(frame.kind, Kind::kEvent) << text;
    EXPECT_EQ(frame.text, text);
    EXPECT_EQ(frame.event_type, "") << text;
    EXPECT_EQ(frame.cursor, "") << text;
  }
}

}  // namespace
}  // namespace belfry::cli
