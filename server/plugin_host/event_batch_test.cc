#include "server/plugin_host/event_batch.h"

#include <gtest/gtest.h>

#include "proto/belfry/v1/event_producer.pb.h"

namespace belfry::plugin_host {
namespace {

class EventBatchTest : public ::testing::Test {
 protected:
  absl::StatusOr<EventBatch> Parse(std::string_view wire) { return ParseEventBatch(wire, limits_); }

  static v1::PublishRequest Request(int events) {
    v1::PublishRequest request;
    request.set_batch(7);
    for (int i = 0; i < events; ++i) {
      logical::EventReceived& event = *request.add_events();
      event.set_event_type("kv/" + std::to_string(i));
      event.mutable_event()->set_note(std::string(100 * i, 'x'));
    }
    return request;
  }

  const Limits limits_{.max_events_per_batch = 3, .max_event_batch_bytes = 1024};
};

TEST_F(EventBatchTest, IsWhatProtobufReadsAndViewsTheBytesOfEachEvent) {
  const v1::PublishRequest request = Request(3);
  const std::string wire = request.SerializeAsString();
  const absl::StatusOr<EventBatch> batch = Parse(wire);
  ASSERT_TRUE(batch.ok()) << batch.status();
  EXPECT_EQ(batch->number, 7u);
  ASSERT_EQ(batch->events.size(), 3u);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(batch->events[i], request.events(i).SerializeAsString());
    EXPECT_GE(batch->events[i].data(), wire.data());
    EXPECT_LE(batch->events[i].data() + batch->events[i].size(), wire.data() + wire.size());
  }
}

TEST_F(EventBatchTest, AnEventThatCannotBeReadDoesNotSpoilTheOthers) {
  std::string wire = Request(1).SerializeAsString();
  wire += std::string("\x12\x02\x0a\x7f", 4);
  wire += std::string("\x12\x00", 2);
  const absl::StatusOr<EventBatch> batch = Parse(wire);
  ASSERT_TRUE(batch.ok()) << batch.status();
  ASSERT_EQ(batch->events.size(), 3u);
  EXPECT_EQ(batch->events[1], "\x0a\x7f");
  EXPECT_EQ(batch->events[2], "");
}

TEST_F(EventBatchTest, NothingIsABatchOfNothing) {
  const absl::StatusOr<EventBatch> batch = Parse("");
  ASSERT_TRUE(batch.ok()) << batch.status();
  EXPECT_EQ(batch->number, 0u);
  EXPECT_TRUE(batch->events.empty());
}

TEST_F(EventBatchTest, FieldsOfLaterVersionsArePassedOver) {
  std::string wire = Request(1).SerializeAsString();
  wire += std::string("\x1a\x03xyz", 5);  // Field 3: three bytes.
  wire += std::string("\x20\x05", 2);     // Field 4: a number.
  const absl::StatusOr<EventBatch> batch = Parse(wire);
  ASSERT_TRUE(batch.ok()) << batch.status();
  EXPECT_EQ(batch->events.size(), 1u);
}

TEST_F(EventBatchTest, WhatIsCutOffIsInvalidWhereverItIsCut) {
  const std::string more = Request(2).SerializeAsString();
  int invalid = 0;
  for (std::size_t size = 1; size < more.size(); ++size) {
    const absl::StatusOr<EventBatch> batch = Parse(more.substr(0, size));
    if (batch.ok()) continue;  // Cut between two fields.
    EXPECT_EQ(batch.status(), absl::InvalidArgumentError("the batch of events cannot be read"));
    ++invalid;
  }
  // Two fields before the end: the number and the first event.
  EXPECT_EQ(invalid, static_cast<int>(more.size()) - 1 - 2);
}

TEST_F(EventBatchTest, ALengthBeyondTheEndIsInvalid) {
  for (const char* wire : {"\x12\x7f", "\x12\xff\xff\xff\xff\x0f", "\x12\xff\xff\xff\xff\x07x"}) {
    EXPECT_EQ(Parse(wire).status().code(), absl::StatusCode::kInvalidArgument);
  }
}

TEST_F(EventBatchTest, TooManyEventsAreExhausted) {
  EXPECT_TRUE(Parse(Request(3).SerializeAsString()).ok());
  EXPECT_EQ(Parse(Request(4).SerializeAsString()).status(),
            absl::ResourceExhaustedError("a batch may have 3 events"));
  EXPECT_EQ(Parse(std::string(1025, 'x')).status(),
            absl::ResourceExhaustedError("a batch may have 1024 bytes"));
}

}  // namespace
}  // namespace belfry::plugin_host
