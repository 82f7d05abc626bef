#include "sdk/src/event_encoding.h"

#include "gtest/gtest.h"
#include "proto/belfry/v1/event_producer.pb.h"

namespace belfry::internal {
namespace {

// What the host reads.
v1::PublishRequest Parsed(const std::string& wire) {
  v1::PublishRequest request;
  EXPECT_TRUE(request.ParseFromString(wire));
  return request;
}

TEST(EventEncoding, ABatchIsWhatProtobufWouldHaveWritten) {
  const std::string long_value(300, 'x'), longer_value(20'000, 'y');
  const EventFields fields = {
      {"path", "a"}, {"empty", ""}, {"long", long_value}, {"longer", longer_value}};
  std::string wire;
  AppendEvent("notes/write", "id-1", fields, &wire);
  AppendEvent("notes/delete", "id-2", {}, &wire);
  AppendBatchNumber(300, &wire);
  const v1::PublishRequest request = Parsed(wire);
  EXPECT_EQ(request.batch(), 300u);
  ASSERT_EQ(request.events_size(), 2);
  for (int i = 0; i < 2; ++i) {
    logical::EventReceived expected;
    ToProto(i == 0 ? "notes/write" : "notes/delete", i == 0 ? "id-1" : "id-2",
            i == 0 ? fields : EventFields(), &expected);
    EXPECT_EQ(request.events(i).DebugString(), expected.DebugString());
    EXPECT_FALSE(request.events(i).has_plugin_info());
  }
  EXPECT_EQ(request.ByteSizeLong(), wire.size());
}

TEST(EventEncoding, WhatIsNotUtf8IsReplacedForTheHostWouldRefuseTheWholeBatch) {
  std::string wire;
  AppendEvent("t/\xff", "id", {{"k\xff", "v\xff"}}, &wire);
  const v1::PublishRequest request = Parsed(wire);
  EXPECT_EQ(request.events(0).event_type(), "t/\xef\xbf\xbd");
  EXPECT_EQ(request.events(0).event().metadata().fields().at("k\xef\xbf\xbd").string_value(),
            "v\xef\xbf\xbd");
}

}  // namespace
}  // namespace belfry::internal
