#include "server/encode/delivery.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "proto/belfry/v1/delivery.pb.h"
#include "proto/vault/event.pb.h"

namespace belfry::encode {
namespace {

const Place kPlace = {.cursor = "3f9ac2d41e07b856-42", .sequence = "00000000000000000042"};

storage::AcceptedEvent Event() {
  logical::EventReceived event;
  event.set_event_type("kv-v2/data-write");
  event.mutable_event()->set_id("an-id");
  return {.accepted = absl::UnixEpoch(), .bytes = event.SerializeAsString()};
}

boost::json::object Json(const std::string& frame) {
  EXPECT_EQ(frame.back(), '\n');
  return boost::json::parse(frame).as_object();
}

v1::Delivery Binary(const std::string& frame) {
  v1::Delivery delivery;
  EXPECT_TRUE(delivery.ParseFromString(frame));
  return delivery;
}

TEST(DeliveryTest, InJsonAnEventIsWhatOthersGetAndItsPlace) {
  boost::json::object plain = Json(Encode(Format::kCloudEventsJson, Event()));
  plain["cursor"] = kPlace.cursor;
  plain["sequence"] = kPlace.sequence;
  EXPECT_EQ(Json(EncodeDelivery(Format::kCloudEventsJson, Event(), kPlace)), plain);
}

TEST(DeliveryTest, InBinaryAnEventIsWhatOthersGetAndItsPlace) {
  const v1::Delivery delivery = Binary(EncodeDelivery(Format::kProtobuf, Event(), kPlace));
  EXPECT_EQ(delivery.cursor(), kPlace.cursor);
  EXPECT_EQ(delivery.event().SerializeAsString(), Encode(Format::kProtobuf, Event()));
}

TEST(DeliveryTest, AGapSaysWhyAndBehindWhat) {
  const Gap gap = {.reason = "expired", .after = "3f9ac2d41e07b856-7"};
  const boost::json::object json =
      Json(EncodeGap(Format::kCloudEventsJson, gap, kPlace, absl::UnixEpoch()));
  EXPECT_EQ(json.at("type"), "belfry.gap");
  EXPECT_EQ(json.at("specversion"), "1.0");
  EXPECT_EQ(json.at("cursor").as_string(), kPlace.cursor.c_str());
  EXPECT_EQ(json.at("time"), "1970-01-01T00:00:00Z");
  EXPECT_EQ(json.at("data").at("reason"), "expired");
  EXPECT_EQ(json.at("data").at("after"), "3f9ac2d41e07b856-7");
  const v1::Delivery binary = Binary(EncodeGap(Format::kProtobuf, gap, kPlace, absl::UnixEpoch()));
  EXPECT_EQ(binary.cursor(), kPlace.cursor);
  EXPECT_EQ(binary.gap().reason(), "expired");
  EXPECT_EQ(binary.gap().after(), "3f9ac2d41e07b856-7");
}

TEST(DeliveryTest, ABookmarkIsAPlaceAlone) {
  const boost::json::object json =
      Json(EncodeBookmark(Format::kCloudEventsJson, kPlace, absl::UnixEpoch()));
  EXPECT_EQ(json.at("type"), "belfry.bookmark");
  EXPECT_EQ(json.at("sequence").as_string(), kPlace.sequence.c_str());
  EXPECT_FALSE(json.contains("data"));
  const v1::Delivery binary = Binary(EncodeBookmark(Format::kProtobuf, kPlace, absl::UnixEpoch()));
  EXPECT_EQ(binary.cursor(), kPlace.cursor);
  EXPECT_TRUE(binary.has_bookmark());
}

}  // namespace
}  // namespace belfry::encode
