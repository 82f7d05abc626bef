// What AcceptEvent accepts, refuses and writes, compared with what becomes of the same bytes when
// protobuf parses them, the message is checked and changed, and protobuf serializes it.

#include "server/plugin_host/event_wire.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <random>
#include <set>

#include "base/event_rules.h"
#include "base/text.h"
#include "google/protobuf/struct.pb.h"
#include "google/protobuf/stubs/logging.h"
#include "google/protobuf/util/message_differencer.h"
#include "server/plugin_host/event_validation.h"

namespace belfry::plugin_host {
namespace {

using google::protobuf::Struct;
using google::protobuf::Value;
using google::protobuf::util::MessageDifferencer;

// Small, so that random events reach it.
constexpr std::size_t kMaxBytes = 2048;

logical::EventPluginInfo Mount() {
  logical::EventPluginInfo mount;
  mount.set_mount_class("secret");
  mount.set_mount_accessor("kv_01234567");
  mount.set_mount_path("secret/");
  mount.set_plugin("kv");
  mount.set_is_local(true);
  return mount;
}

// What is to become of an event.
struct Expected {
  absl::StatusCode code = absl::StatusCode::kOk;
  std::set<std::string> reasons;  // One of them; where several entries are at fault, any may be.
  logical::EventReceived event;
};

Expected Refused(absl::StatusCode code, std::string_view reason) {
  return {.code = code, .reasons = {std::string(reason)}, .event = {}};
}

Expected Refused(const absl::Status& status) {
  return Refused(status.code(), ToStd(status.message()));
}

void AddReason(const absl::Status& status, std::set<std::string>& reasons) {
  if (!status.ok()) reasons.emplace(ToStd(status.message()));
}

void CollectReasons(const Value& value, std::set<std::string>& reasons) {
  if (value.kind_case() == Value::KIND_NOT_SET)
    reasons.insert("a metadata value of the event is missing");
  if (!std::isfinite(value.number_value()))
    reasons.insert("a metadata number of the event is not finite");
  for (const Value& element : value.list_value().values()) CollectReasons(element, reasons);
  for (const auto& [key, member] : value.struct_value().fields()) {
    AddReason(CheckEventKey(key), reasons);
    CollectReasons(member, reasons);
  }
}

Expected ExpectedMetadata(logical::EventReceived event) {
  std::size_t bytes = 0;
  Expected expected;
  Struct& metadata = *event.mutable_event()->mutable_metadata();
  for (auto& [key, value] : *metadata.mutable_fields()) {
    bytes += key.size() +
             (value.has_string_value() ? value.string_value().size() : value.ByteSizeLong());
    AddReason(CheckEventKey(key), expected.reasons);
    CollectReasons(value, expected.reasons);
    if (key != "path" && key != "data_path") continue;
    if (!value.has_string_value())
      expected.reasons.insert(Concat({"the event's ", key, " must be a text"}));
    else
      AddReason(CheckEventPath(key, value.string_value()), expected.reasons);
    value.set_string_value(Concat({Mount().mount_path(), value.string_value()}));
  }
  const absl::Status size = CheckEventSize(metadata.fields().size(), bytes);
  if (!size.ok()) return Refused(size);
  if (!expected.reasons.empty()) expected.code = absl::StatusCode::kInvalidArgument;
  expected.event = std::move(event);
  return expected;
}

absl::Status CheckOwner(const std::string& type) {
  if (IsHostEventType(type)) return absl::PermissionDeniedError(ToAbsl(kHostEventTypeRefusal));
  const std::string first = type.substr(0, type.find('/'));
  if (first == "kv" || first.starts_with("kv-")) return absl::OkStatus();
  return absl::PermissionDeniedError(
      Concat({"an event's type begins with its plugin's name, as \"kv/…\" or \"kv-…/…\", with the "
              "name of its program, or with the last word of either, not with \"",
              first, "\""}));
}

Expected ExpectedEvent(const std::string& wire) {
  logical::EventReceived event;
  if (!event.ParseFromString(wire))
    return Refused(absl::StatusCode::kInvalidArgument, "the event cannot be read");
  event.DiscardUnknownFields();
  absl::Status status = CheckEventType(event.event_type());
  if (status.ok()) status = CheckOwner(event.event_type());
  if (status.ok()) status = CheckEventId(event.event().id());
  if (!status.ok()) return Refused(status);
  constexpr std::size_t kIdAndLengths = 64;
  if (std::max(wire.size(), event.ByteSizeLong()) + kIdAndLengths + Mount().mount_class().size() +
          Mount().mount_accessor().size() + 3 * Mount().mount_path().size() +
          Mount().plugin().size() >
      kMaxBytes) {
    return Refused(absl::StatusCode::kResourceExhausted, "the event is larger than 2048 bytes");
  }
  if (event.has_plugin_info() && !MessageDifferencer::Equals(event.plugin_info(), Mount())) {
    return Refused(
        absl::StatusCode::kPermissionDenied,
        "the event's plugin info is not that of its mount; leave it out, the host fills it in");
  }
  const std::set<std::string> root = {"", "root", "/", "root/"};
  if (root.count(event.namespace_()) == 0) {
    return Refused(absl::StatusCode::kPermissionDenied,
                   "the event claims a namespace that is not its mount's");
  }
  event.clear_namespace_();
  *event.mutable_plugin_info() = Mount();
  event.mutable_event();
  if (event.event().has_metadata()) return ExpectedMetadata(std::move(event));
  return {.event = event};
}

void CompareAccepted(const storage::AcceptedEvent& accepted, logical::EventReceived expected) {
  logical::EventReceived event;
  ASSERT_TRUE(event.ParseFromString(accepted.bytes));
  ASSERT_LE(accepted.bytes.size(), kMaxBytes);
  if (expected.event().id().empty()) {
    ASSERT_EQ(event.event().id().size(), 36u);
    expected.mutable_event()->set_id(event.event().id());
  }
  ASSERT_EQ(accepted.bytes.size(), expected.ByteSizeLong());
  // Unknown fields are among what is compared.
  ASSERT_TRUE(MessageDifferencer::Equals(event, expected))
      << event.ShortDebugString() << "\n  instead of " << expected.ShortDebugString();
  const auto& fields = expected.event().metadata().fields();
  EXPECT_EQ(accepted.path, fields.contains("path") ? fields.at("path").string_value() : "");
  EXPECT_EQ(accepted.type, expected.event_type());
}

class EventWireTest : public ::testing::Test {
 protected:
  // Whether it was accepted, as it should have been.
  bool Compare(const std::string& wire) {
    // Of its own, so that AddressSanitizer sees what reads on.
    const std::vector<char> copy(wire.begin(), wire.end());
    const absl::StatusOr<storage::AcceptedEvent> accepted =
        AcceptEvent(origin_, limits_, {copy.data(), copy.size()}, absl::UnixEpoch());
    const Expected expected = ExpectedEvent(wire);
    EXPECT_EQ(accepted.status().code(), expected.code) << accepted.status();
    if (accepted.ok() && expected.code == absl::StatusCode::kOk) {
      CompareAccepted(*accepted, expected.event);
    } else {
      EXPECT_EQ(expected.reasons.count(std::string(ToStd(accepted.status().message()))), 1u)
          << accepted.status() << "\n  instead of " << *expected.reasons.begin();
    }
    if (HasFailure()) ADD_FAILURE() << ::testing::PrintToString(wire);
    return accepted.ok();
  }
  absl::Status Refusal(const std::string& wire) {
    EXPECT_FALSE(Compare(wire));
    return AcceptEvent(origin_, limits_, wire, absl::UnixEpoch()).status();
  }

  const google::protobuf::LogSilencer silence_;
  const EventOrigin origin_{Mount(), "belfry-kv"};
  const Limits limits_{.max_event_bytes = kMaxBytes};
};

std::string Varint(std::uint64_t number) {
  std::string bytes;
  for (; number >= 0x80; number >>= 7) bytes += static_cast<char>(number | 0x80);
  return bytes + static_cast<char>(number);
}

std::string Field(int number, const std::string& content) {
  return Varint(number << 3 | 2) + Varint(content.size()) + content;
}

std::string Number(int number, std::uint64_t value) {
  return Varint(number << 3) + Varint(value);
}

std::string Fixed64(int number, double value) {
  return Varint(number << 3 | 1) + std::string(reinterpret_cast<const char*>(&value), 8);
}

std::string Entry(const std::string& key, const std::string& value) {
  return Field(1, Field(1, key) + Field(2, value));
}

std::string String(const std::string& value) {
  return Field(3, value);
}

// An event with such metadata, which is a serialized Struct.
std::string EventWith(const std::string& metadata) {
  return Field(1, Field(2, metadata)) + Field(3, "kv/x");
}

// An event with all fields.
std::string WholeEvent() {
  logical::EventReceived event;
  event.set_namespace_("root/");
  event.set_event_type("kv-v2/data-write");
  *event.mutable_plugin_info() = Mount();
  event.mutable_event()->set_id("11111111-1111-1111-1111-111111111111");
  event.mutable_event()->set_note("note");
  event.mutable_event()->add_entity_ids("entity");
  event.mutable_event()->add_entity_ids("another");
  auto& metadata = *event.mutable_event()->mutable_metadata()->mutable_fields();
  metadata["path"].set_string_value("data/" + std::string(130, 'x'));
  metadata["data_path"].set_string_value("data/f\xc3\xb6\xc3\xb6");
  metadata["number"].set_number_value(1.5);
  metadata["yes"].set_bool_value(true);
  metadata["null"].set_null_value(google::protobuf::NULL_VALUE);
  metadata["list"].mutable_list_value()->add_values()->set_string_value("element");
  (*metadata["object"].mutable_struct_value()->mutable_fields())["key"].set_string_value("value");
  return event.SerializeAsString();
}

// Writes events of all shapes that protobuf reads, and of some that it does not.
class Generator {
 public:
  std::string Event() {
    // A third of the events are what serializers write, a third is full of other things.
    const int levels[] = {0, 60, 8};
    one_odd_of_ = levels[Below(3)];
    Fields fields;
    if (!OneOf(20)) fields.push_back(Field(1, Data()));
    if (Odd()) fields.push_back(Field(1, Data()));
    if (OneOf(5)) fields.push_back(Field(2, Pick({"", "root", "/", "root/", "ns/"})));
    fields.push_back(Field(3, Type()));
    if (Odd()) fields.push_back(Field(3, Type()));
    if (OneOf(10)) fields.push_back(Field(4, PluginInfo()));
    if (Odd()) fields.push_back(Field(4, PluginInfo()));
    return Damaged(Joined(std::move(fields)));
  }

 private:
  using Fields = std::vector<std::string>;

  std::size_t Below(std::size_t bound) { return random_() % bound; }
  bool OneOf(std::size_t many) { return Below(many) == 0; }
  bool Odd() { return one_odd_of_ > 0 && OneOf(one_odd_of_); }
  std::string Pick(const std::vector<std::string>& from) { return from[Below(from.size())]; }

  std::string Type() {
    return Odd() ? Pick({"", "sys/x", "kvx/y", "kv/\xff", "kv \n"}) : Pick({"kv/x", "kv-v2/write"});
  }

  std::string AnyString() {
    if (Odd()) return Pick({"", "\xff", "a\xc3", "\xed\xa0\x80", "a\nb", "12345678\x80"});
    return Pick({"a", "data/foo", "true", "\xc3\xa9", "12345678\xf0\x9f\x98\x80", "", "0"}) +
           std::string(OneOf(50) ? Below(3000) : 0, 'x');
  }

  std::string PluginInfo() {
    std::string info = Mount().SerializeAsString();
    if (Odd()) info += Field(1 + static_cast<int>(Below(6)), AnyString());
    if (Odd()) info = "";
    return Joined({info});
  }

  std::string Data() {
    Fields fields;
    if (!OneOf(3)) fields.push_back(Field(1, OneOf(9) ? AnyString() : "an id"));
    if (!OneOf(9)) fields.push_back(Field(2, Metadata()));
    if (Odd()) fields.push_back(Field(2, Metadata()));
    while (OneOf(3)) fields.push_back(Field(3, AnyString()));
    if (OneOf(4)) fields.push_back(Field(4, AnyString()));
    if (Odd()) fields.push_back(Field(1, AnyString()));
    return Joined(std::move(fields));
  }

  std::string Metadata() {
    Fields fields;
    for (std::size_t i = OneOf(40) ? Below(70) : Below(8); i > 0; --i)
      fields.push_back(RandomEntry(3));
    return Joined(std::move(fields));
  }

  std::string Key() {
    if (Odd()) return AnyString();
    if (OneOf(2)) return Pick({"path", "data_path", "modified", "operation"});
    return "key" + std::to_string(Below(1000));
  }

  std::string RandomEntry(int depth) {
    const std::string key = Key();
    const bool is_path = key == "path" || key == "data_path";
    Fields fields;
    if (!Odd()) fields.push_back(Field(1, key));
    if (Odd()) fields.push_back(Field(1, Key()));
    if (!Odd())
      fields.push_back(Field(2, is_path && !Odd() ? String("data/foo") : RandomValue(depth)));
    if (Odd()) fields.push_back(Field(2, RandomValue(depth)));
    return Field(1, Joined(std::move(fields)));
  }

  std::string RandomKind(int depth) {
    if (depth == 0 || !OneOf(3)) return String(AnyString());
    Fields parts;
    for (std::size_t i = Below(3); i > 0; --i)
      parts.push_back(OneOf(2) ? RandomEntry(depth - 1) : Field(1, RandomValue(depth - 1)));
    switch (Below(5)) {
      case 0:
        return Number(1, Odd() ? random_() : 0);
      case 1:
        return Fixed64(2, Odd() ? std::nan("") : 1.5);
      case 2:
        return Number(4, Odd() ? Below(300) : Below(2));
      default:
        // What was written for a list is no object; protobuf decides what is to become of it.
        return Field(5 + static_cast<int>(Below(2)), Joined(std::move(parts)));
    }
  }

  std::string RandomValue(int depth) {
    Fields fields;
    if (!Odd()) fields.push_back(RandomKind(depth));
    while (Odd()) fields.push_back(RandomKind(depth));
    return Joined(std::move(fields));
  }

  std::string Unknown() {
    switch (Below(6)) {
      case 0:
        return Number(1 + static_cast<int>(Below(30)), Below(1000));
      case 1:
        return Field(5 + static_cast<int>(Below(30)), "unknown");
      case 2:
        return Fixed64(7, 1);
      case 3:
        return Varint(9 << 3 | 3) + Number(1, 1) + Varint(9 << 3 | 4);  // A group.
      case 4:
        return Varint(8 << 3 | 5) + "1234";
      default:
        return Pick({std::string(1, '\0'), "\x0c", "\x0f", "\x80\x01", std::string("\x02\0", 2)});
    }
  }

  std::string Joined(Fields fields) {
    if (Odd()) fields.push_back(Unknown());
    if (Odd()) std::shuffle(fields.begin(), fields.end(), random_);
    std::string bytes;
    for (const std::string& field : fields) bytes += field;
    return bytes;
  }

  std::string Damaged(std::string wire) {
    if (wire.empty()) return wire;
    if (Odd()) wire.resize(Below(wire.size()));
    if (!wire.empty() && Odd()) wire[Below(wire.size())] = static_cast<char>(Below(256));
    // A length in more bytes than it needs.
    const std::size_t length = wire.find("\x01x");
    if (length != wire.npos && Odd()) wire.replace(length, 1, std::string("\x81\0", 2));
    return wire;
  }

  std::mt19937 random_;  // Its default seed: the same events each time.
  std::size_t one_odd_of_ = 0;
};

TEST_F(EventWireTest, RandomEventsBecomeWhatProtobufMakesOfThem) {
  Generator generator;
  constexpr int kEvents = 20'000;
  int accepted = 0;
  int unusual = 0;
  int unreadable = 0;
  for (int i = 0; i < kEvents && !HasFailure(); ++i) {
    const std::string wire = generator.Event();
    const bool is_accepted = Compare(wire);
    const std::optional<WireEvent> event = ReadEvent(wire);
    accepted += is_accepted;
    unusual += is_accepted && !event;
    unreadable += !NormalizeEvent(wire);
  }
  // All of these have been met.
  EXPECT_GT(accepted, kEvents / 3);
  EXPECT_LT(accepted, kEvents * 9 / 10);
  EXPECT_GT(unusual, kEvents / 20);
  EXPECT_GT(unreadable, kEvents / 20);
}

TEST_F(EventWireTest, WhatIsCutOffIsWhatProtobufMakesOfIt) {
  const std::string whole = WholeEvent();
  EXPECT_TRUE(Compare(whole));
  for (std::size_t size = 0; size < whole.size(); ++size) Compare(whole.substr(0, size));
}

TEST_F(EventWireTest, WhateverAByteIsChangedToIsWhatProtobufMakesOfIt) {
  const std::string whole = WholeEvent();
  for (std::size_t i = 0; i < whole.size(); ++i) {
    for (const int byte : {0x00, 0x01, 0x03, 0x04, 0x0c, 0x12, 0x7f, 0x80, 0xff, whole[i] ^ 1}) {
      std::string changed = whole;
      changed[i] = static_cast<char>(byte);
      Compare(changed);
    }
  }
}

TEST_F(EventWireTest, EveryStringMustBeUtf8) {
  const std::string bad = "a\xff";
  const std::string type = Field(3, "kv/x");
  const std::string wires[] = {
      Field(3, "kv/\xff"),
      Field(2, bad) + type,
      Field(1, Field(1, bad)) + type,
      Field(1, Field(3, bad)) + type,
      Field(1, Field(4, bad)) + type,
      EventWith(Entry(bad, String("v"))),
      EventWith(Entry("k", String(bad))),
      EventWith(Entry("k", Field(6, Field(1, String(bad))))),
      EventWith(Entry("k", Field(5, Entry("k", String(bad))))),
      EventWith(Entry("k", Field(5, Entry(bad, String("v"))))),
  };
  for (const std::string& wire : wires)
    EXPECT_EQ(Refusal(wire), absl::InvalidArgumentError("the event cannot be read"));
  for (int number = 1; number <= 6; ++number) {
    EXPECT_EQ(Refusal(type + Field(4, Field(number, bad))),
              absl::InvalidArgumentError("the event cannot be read"));
  }
}

TEST_F(EventWireTest, Utf8IsWhatProtobufTakesForIt) {
  const std::string following = "a\x80\x8f\x90\x9f\xa0\xbf\xc0";
  for (int first = 0x80; first <= 0xff; ++first) {
    for (const char second : following) {
      for (const char third : following) {
        const std::string three = {static_cast<char>(first), second, third};
        Compare(Field(1, Field(4, three)) + Field(3, "kv/x"));
        Compare(Field(1, Field(4, three + '\x80')) + Field(3, "kv/x"));
        Compare(Field(1, Field(4, "1234567" + three)) + Field(3, "kv/x"));
      }
    }
  }
}

TEST_F(EventWireTest, PartsOfAMessageMerge) {
  const std::string split = Field(1, Field(1, "first id")) + Field(1, Field(4, "note")) +
                            Field(1, Field(1, "last id") + Field(2, Entry("a", String("1")))) +
                            Field(1, Field(2, Entry("path", String("data/foo")))) +
                            Field(3, "no type of this plugin") + Field(3, "kv/x");
  EXPECT_TRUE(Compare(split));
  EXPECT_TRUE(Compare(Field(1, Field(4, "first note") + Field(4, "note")) + Field(3, "kv/x")));
  // Plugin info that is true as a whole.
  const std::string info = Mount().SerializeAsString();
  EXPECT_TRUE(Compare(split + Field(4, info) + Field(4, info)));
  EXPECT_TRUE(Compare(split + Field(4, info.substr(0, 8)) + Field(4, info.substr(8))));
  EXPECT_TRUE(Compare(split + Field(4, info + Field(17, "unknown"))));
  EXPECT_FALSE(Compare(split + Field(4, info.substr(8))));
  EXPECT_FALSE(Compare(split + Field(4, "")));
}

TEST_F(EventWireTest, OfEntriesWithTheSameKeyTheLastCounts) {
  std::string same;
  for (int i = 0; i < 70; ++i) same += Entry("path", String("data/" + std::to_string(i)));
  EXPECT_TRUE(Compare(EventWith(same)));
  std::string different;
  for (int i = 0; i < 65; ++i) different += Entry("key" + std::to_string(i), String("v"));
  EXPECT_EQ(Refusal(EventWith(different)),
            absl::InvalidArgumentError("an event may have 64 metadata entries, this one has 65"));
}

TEST_F(EventWireTest, WhatIsBeyondTheLastEntryThatMayBeIsReadAsWell) {
  std::string most;
  for (int i = 0; i < 64; ++i) most += Entry("key" + std::to_string(i), String("v"));
  EXPECT_TRUE(Compare(EventWith(most)));
  EXPECT_TRUE(Compare(EventWith(most + Entry("key0", String("w")))));
  EXPECT_EQ(Refusal(EventWith(most + Entry("key64", String("\xff")))),
            absl::InvalidArgumentError("the event cannot be read"));
}

TEST_F(EventWireTest, LengthsInMoreBytesThanTheyNeedAreReadAndNotPassedOn) {
  const std::string long_one("\x81\x00", 2);
  const std::string value = "\x1a" + long_one + "v";
  EXPECT_TRUE(Compare(EventWith(Entry("x", value))));
  EXPECT_TRUE(Compare("\x1a" + std::string("\x84\x80\x00", 3) + "kv/x"));
  EXPECT_TRUE(Compare(Field(1, "\x22" + long_one + "n") + Field(3, "kv/x")));
}

TEST_F(EventWireTest, OfSeveralKindsOfAValueTheLastCounts) {
  const std::string nan = Fixed64(2, std::nan(""));
  EXPECT_TRUE(Compare(EventWith(Entry("path", nan + String("data/foo")))));
  EXPECT_FALSE(Compare(EventWith(Entry("path", String("data/foo") + nan))));
  EXPECT_TRUE(Compare(EventWith(Entry("x", String("1") + String("2")))));
  EXPECT_TRUE(Compare(EventWith(Entry("x", Number(4, 5)))));
}

TEST_F(EventWireTest, EntriesWithoutKeyOrValueAreRefused) {
  EXPECT_EQ(Refusal(EventWith(Field(1, Field(2, String("v"))))),
            absl::InvalidArgumentError("a metadata key of the event is empty"));
  for (const std::string& entry : {Field(1, Field(1, "k")), Entry("k", "")}) {
    EXPECT_EQ(Refusal(EventWith(entry)),
              absl::InvalidArgumentError("a metadata value of the event is missing"));
  }
}

TEST_F(EventWireTest, MetadataThatIsEmptyStaysAndWhatIsAbsentStaysAbsent) {
  EXPECT_TRUE(Compare(EventWith("")));
  EXPECT_TRUE(Compare(Field(1, "") + Field(3, "kv/x")));
  EXPECT_TRUE(Compare(Field(1, Field(3, "") + Field(3, "") + Field(4, "")) + Field(3, "kv/x")));
  EXPECT_TRUE(Compare(Field(3, "kv/x")));
}

TEST_F(EventWireTest, FieldsOfLaterVersionsAreLeftOutWhereverTheyAre) {
  const std::string later = Field(31, "from a later version");
  const std::string value = String("v") + later;
  const std::string list = Field(6, Field(1, value) + later);
  const std::string object = Field(5, Entry("k", value) + later);
  const std::string metadata = Entry("list", list) + Entry("object", object) +
                               Field(1, Field(1, "k") + Field(2, value) + later) + later;
  const std::string wire = Field(1, Field(2, metadata) + later) + Field(3, "kv/x") +
                           Field(4, Mount().SerializeAsString() + later) + later;
  ASSERT_TRUE(Compare(wire));
  const auto accepted = AcceptEvent(origin_, limits_, wire, absl::UnixEpoch());
  EXPECT_EQ(accepted->bytes.find("from a later version"), std::string::npos);
}

TEST_F(EventWireTest, NestsAsDeepAsProtobufReads) {
  const auto deepest = [this](const std::function<std::string(const std::string&)>& wrap) {
    std::string value = String("v");
    int depth = 0;
    while (Compare(EventWith(Entry("x", value)))) {
      value = wrap(value);
      ++depth;
    }
    return depth - 1;
  };
  // The event, its data, the metadata, the entry and the value are five of the hundred below the
  // event itself, as is each list and element, each object, entry and member.
  EXPECT_EQ(deepest([](const std::string& value) { return Field(6, Field(1, value)); }), 48);
  EXPECT_EQ(deepest([](const std::string& value) { return Field(5, Entry("k", value)); }), 32);
}

TEST_F(EventWireTest, WhatProtobufWritesLongerThanItReadsItIsStaysWithinTheLimit) {
  // A negative enum in five bytes, for which protobuf writes ten.
  std::string list;
  for (int i = 0; i < 150; ++i) list += Field(1, Number(1, 0xffffffff));
  const std::string wire = EventWith(Entry("x", Field(6, list)));
  EXPECT_LT(wire.size(), kMaxBytes * 2 / 3);
  EXPECT_EQ(Refusal(wire).code(), absl::StatusCode::kResourceExhausted);
}

TEST_F(EventWireTest, NormalizingLeavesWhatIsNormalAsItIs) {
  const std::string wire = EventWith(Entry("path", String("data/foo")));
  EXPECT_EQ(NormalizeEvent(wire), wire);
  EXPECT_EQ(NormalizeEvent("\x0a"), std::nullopt);
}

TEST_F(EventWireTest, WhatSerializersWriteIsReadAtOnce) {
  const std::string wire =
      Field(1,
            Field(1, "") + Field(2, Entry("path", String("data/foo")) + Entry("n", Fixed64(2, 1)) +
                                        Entry("b", Number(4, 1)) + Entry("0", Number(1, 0)))) +
      Field(3, "kv/x");
  const std::optional<WireEvent> event = ReadEvent(wire);
  ASSERT_TRUE(event.has_value());
  EXPECT_FALSE(event->has_unread_parts);
  EXPECT_TRUE(Compare(wire));
}

}  // namespace
}  // namespace belfry::plugin_host
