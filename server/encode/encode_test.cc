#include "server/encode/encode.h"

#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <fstream>

#include "absl/strings/escaping.h"

namespace belfry::encode {
namespace {

struct Recorded {
  std::string json;
  logical::EventReceived message;
};

std::vector<Recorded> GoldenEvents() {
  std::ifstream file(BELFRY_GOLDEN_EVENTS);
  std::vector<Recorded> events;
  for (std::string line; std::getline(file, line);) {
    const boost::json::object object = boost::json::parse(line).as_object();
    Recorded recorded{.json = std::string(object.at("json_text_frame").as_string()), .message = {}};
    std::string bytes;
    EXPECT_TRUE(absl::Base64Unescape(object.at("protobuf_binary_frame_base64").as_string().c_str(),
                                     &bytes));
    EXPECT_TRUE(recorded.message.ParseFromString(bytes));
    events.push_back(std::move(recorded));
  }
  return events;
}

absl::Time TimeOf(const std::string& json) {
  absl::Time time;
  std::string error;
  const auto text = boost::json::parse(json).as_object().at("time").as_string();
  EXPECT_TRUE(absl::ParseTime(absl::RFC3339_full, text.c_str(), &time, &error)) << error;
  return time;
}

TEST(CloudEventJson, EqualsEveryFrameThatVaultWasRecordedSending) {
  const std::vector<Recorded> events = GoldenEvents();
  ASSERT_EQ(events.size(), 15u);
  for (const Recorded& recorded : events) {
    EXPECT_EQ(CloudEventJson(recorded.message, TimeOf(recorded.json)), recorded.json);
  }
}

TEST(Protobuf, IsTheWholeMessage) {
  for (const Recorded& recorded : GoldenEvents()) {
    logical::EventReceived read;
    const storage::AcceptedEvent event{.bytes = recorded.message.SerializeAsString()};
    ASSERT_TRUE(read.ParseFromString(Encode(Format::kProtobuf, event)));
    EXPECT_TRUE(google::protobuf::util::MessageDifferencer::Equals(read, recorded.message));
  }
}

TEST(CloudEventJson, LeavesOutWhatIsEmptyAndShowsWhatIsNot) {
  logical::EventReceived event;
  event.mutable_event()->set_id("i");
  event.mutable_event()->add_entity_ids("e1");
  event.mutable_event()->add_entity_ids("e2");
  event.mutable_event()->set_note("n");
  event.set_namespace_("ns1/");
  event.set_event_type("t");
  event.mutable_plugin_info()->set_is_local(true);
  EXPECT_EQ(
      CloudEventJson(event, absl::UnixEpoch() + absl::Milliseconds(120)),
      R"({"id":"i","source":"https://vaultproject.io/","specversion":"1.0","type":"*","data":{"event":{"id":"i",)"
      R"("entity_ids":["e1","e2"],"note":"n"},"namespace":"ns1/","event_type":"t","plugin_info":{"is_local":true}},)"
      R"("datacontentype":"application/cloudevents","time":"1970-01-01T00:00:00.12Z"})"
      "\n");
}

TEST(CloudEventJson, WritesMetadataOfAnyKindInOrderOfKey) {
  logical::EventReceived event;
  auto& fields = *event.mutable_event()->mutable_metadata()->mutable_fields();
  fields["z"].set_bool_value(true);
  fields["n"].set_number_value(3);
  fields["f"].set_number_value(1.5);
  fields["big"].set_number_value(1e21);
  fields["small"].set_number_value(1e-7);
  fields["null"].set_null_value(google::protobuf::NULL_VALUE);
  fields["list"].mutable_list_value()->add_values()->set_string_value("a");
  fields["list"].mutable_list_value()->add_values()->mutable_struct_value();
  EXPECT_NE(
      CloudEventJson(event, absl::UnixEpoch())
          .find(
              R"("metadata":{"big":1e+21,"f":1.5,"list":["a",{}],"n":3,"null":null,"small":1e-7,"z":true})"),
      std::string::npos);
}

TEST(JsonString, EscapesAsGoDoes) {
  EXPECT_EQ(JsonString("a\"b\\c/<>&"), R"("a\"b\\c/\u003c\u003e\u0026")");
  EXPECT_EQ(JsonString("\n\r\t\b\f\x01\x7f"), "\"\\n\\r\\t\\b\\f\\u0001\x7f\"");
  EXPECT_EQ(JsonString("ä€😀"), "\"ä€😀\"");
  EXPECT_EQ(JsonString("\u2028\u2029"), R"("\u2028\u2029")");
}

TEST(JsonString, ReplacesWhatIsNoUtf8) {
  EXPECT_EQ(JsonString("a\xff"), R"("a\ufffd")");
  EXPECT_EQ(JsonString("\xc0\x80"), R"("\ufffd\ufffd")");            // Overlong.
  EXPECT_EQ(JsonString("\xed\xa0\x80"), R"("\ufffd\ufffd\ufffd")");  // A surrogate.
  EXPECT_EQ(JsonString("\xe2\x82"), R"("\ufffd\ufffd")");            // Cut short.
}

}  // namespace
}  // namespace belfry::encode
