#include "server/plugin_host/event_validation.h"

#include <gtest/gtest.h>

#include <limits>

#include "absl/status/statusor.h"

namespace belfry::plugin_host {
namespace {

logical::EventPluginInfo SecretMount() {
  logical::EventPluginInfo mount;
  mount.set_mount_class("secret");
  mount.set_mount_accessor("kv_01234567");
  mount.set_mount_path("secret/");
  mount.set_plugin("kv");
  mount.set_version("2");
  return mount;
}

logical::EventReceived MakeEvent() {
  logical::EventReceived event;
  event.set_event_type("kv-v2/data-write");
  event.mutable_event()->set_id("11111111-1111-1111-1111-111111111111");
  auto& metadata = *event.mutable_event()->mutable_metadata()->mutable_fields();
  metadata["path"].set_string_value("data/foo");
  metadata["data_path"].set_string_value("data/foo");
  metadata["modified"].set_string_value("true");
  return event;
}

constexpr absl::Time kAccepted = absl::FromUnixSeconds(1);

// What subscribers get.
absl::StatusOr<logical::EventReceived> Accept(const logical::EventReceived& sent,
                                              const logical::EventPluginInfo& from = SecretMount(),
                                              std::string_view program = "belfry-kv") {
  const absl::StatusOr<storage::AcceptedEvent> accepted =
      AcceptEvent(EventOrigin(from, program), Limits(), sent.SerializeAsString(), kAccepted);
  if (!accepted.ok()) return accepted.status();
  logical::EventReceived event;
  EXPECT_TRUE(event.ParseFromString(accepted->bytes));
  return event;
}

std::string Text(const logical::EventReceived& event, const char* key) {
  return event.event().metadata().fields().at(key).string_value();
}

TEST(AcceptEvent, FillsInWhatTheMountIsAndPutsItInFrontOfThePaths) {
  const absl::StatusOr<logical::EventReceived> event = Accept(MakeEvent());
  ASSERT_TRUE(event.ok()) << event.status();
  EXPECT_EQ(event->plugin_info().SerializeAsString(), SecretMount().SerializeAsString());
  EXPECT_EQ(Text(*event, "path"), "secret/data/foo");
  EXPECT_EQ(Text(*event, "data_path"), "secret/data/foo");
  EXPECT_EQ(Text(*event, "modified"), "true");
}

TEST(AcceptEvent, AnIdIsCharactersThatShowAndNoLongerThanItMayBe) {
  logical::EventReceived event = MakeEvent();
  for (const std::string& id : {std::string("1"), std::string(128, 'x'), std::string("ä/…")}) {
    event.mutable_event()->set_id(id);
    ASSERT_TRUE(Accept(event).ok()) << id;
    EXPECT_EQ(Accept(event)->event().id(), id);
  }
  for (const std::string& id : {std::string(129, 'x'), std::string("a\nb"), std::string("\0", 1),
                                std::string("\x7f"), std::string("a\u0085b")}) {
    event.mutable_event()->set_id(id);
    EXPECT_EQ(Accept(event).status().code(), absl::StatusCode::kInvalidArgument) << id;
  }
}

TEST(AcceptEvent, SaysWhatAnEventIsFoundBy) {
  const EventOrigin origin(SecretMount(), "belfry-kv");
  logical::EventReceived event = MakeEvent();
  event.set_namespace_("root/");
  absl::StatusOr<storage::AcceptedEvent> accepted =
      AcceptEvent(origin, Limits(), event.SerializeAsString(), kAccepted);
  ASSERT_TRUE(accepted.ok()) << accepted.status();
  EXPECT_EQ(accepted->sequence, 0u);
  EXPECT_EQ(accepted->accepted, kAccepted);
  EXPECT_EQ(accepted->type, "kv-v2/data-write");
  EXPECT_EQ(accepted->path, "secret/data/foo");
  EXPECT_EQ(accepted->mount, "secret/");
  EXPECT_EQ(accepted->name_space, "");
  event.mutable_event()->mutable_metadata()->mutable_fields()->erase("path");
  accepted = AcceptEvent(origin, Limits(), event.SerializeAsString(), kAccepted);
  ASSERT_TRUE(accepted.ok()) << accepted.status();
  EXPECT_EQ(accepted->path, "");
}

TEST(AcceptEvent, WhatCannotBeReadIsInvalid) {
  const std::string whole = MakeEvent().SerializeAsString();
  EXPECT_EQ(AcceptEvent(EventOrigin(SecretMount(), ""), Limits(), whole.substr(0, whole.size() - 1),
                        kAccepted)
                .status(),
            absl::InvalidArgumentError("the event cannot be read"));
}

TEST(AcceptEvent, PluginInfoThatIsTrueGoesThrough) {
  logical::EventReceived event = MakeEvent();
  *event.mutable_plugin_info() = SecretMount();
  EXPECT_TRUE(Accept(event).ok());
}

TEST(AcceptEvent, EveryFalseClaimIsDenied) {
  using Info = logical::EventPluginInfo;
  for (const auto forge : std::initializer_list<void (*)(Info&)>{
           [](Info& i) { i.set_mount_class("auth"); },
           [](Info& i) { i.set_mount_accessor("kv_9"); },
           [](Info& i) { i.set_mount_path("other/"); },
           [](Info& i) { i.set_mount_path("secret"); },
           [](Info& i) { i.set_plugin("notes"); },
           [](Info& i) { i.set_plugin_version("v1"); },
           [](Info& i) { i.set_version("1"); },
           [](Info& i) { i.set_is_local(true); },
           [](Info& i) { i.Clear(); },
       }) {
    logical::EventReceived event = MakeEvent();
    *event.mutable_plugin_info() = SecretMount();
    forge(*event.mutable_plugin_info());
    EXPECT_EQ(Accept(event).status().code(), absl::StatusCode::kPermissionDenied)
        << event.plugin_info().ShortDebugString();
  }
}

TEST(AcceptEvent, AForeignNamespaceIsDenied) {
  logical::EventReceived event = MakeEvent();
  event.set_namespace_("ns1/");
  EXPECT_EQ(Accept(event).status().code(), absl::StatusCode::kPermissionDenied);
}

TEST(AcceptEvent, APathIsTakenAsItIsOrNotAtAll) {
  for (const char* key : {"path", "data_path"}) {
    for (const std::string path :
         {"", "/", "/data/foo", "data/foo/", "data//foo", "//data/foo", ".", "..", "./data/foo",
          "data/./foo", "data/../foo", "data/foo/..", "../other/data/foo", "../secrets/foo",
          "data/foo\n", "data/\tfoo", "data/\x7f", "\x01"}) {
      logical::EventReceived event = MakeEvent();
      (*event.mutable_event()->mutable_metadata()->mutable_fields())[key].set_string_value(path);
      EXPECT_EQ(Accept(event).status().code(), absl::StatusCode::kInvalidArgument)
          << key << " " << path;
    }
  }
}

TEST(AcceptEvent, MalformedTypesAreInvalid) {
  for (const char* type : {"", "kv v2", "kv*", "kv\n", "/kv/x", "kv/", "kv//x", "./kv/x", "../kv/x",
                           "kv/..", "sys/"}) {
    logical::EventReceived event = MakeEvent();
    event.set_event_type(type);
    EXPECT_EQ(Accept(event).status().code(), absl::StatusCode::kInvalidArgument) << type;
  }
}

// What became of an event of this type from a plugin that is registered under `name`.
absl::Status TypeFrom(const std::string& name, const std::string& type,
                      std::string_view program = "") {
  logical::EventPluginInfo mount = SecretMount();
  mount.set_plugin(name);
  logical::EventReceived event = MakeEvent();
  event.set_event_type(type);
  return Accept(event, mount, program).status();
}

TEST(AcceptEvent, ATypeBeginsWithThePluginsNameOrItsLastWord) {
  const std::pair<const char*, const char*> allowed[] = {{"kv", "kv"},
                                                         {"kv", "kv/write"},
                                                         {"kv", "kv-v1/write"},
                                                         {"kv", "kv-v2/d/w"},
                                                         {"my-kv", "kv/x"},
                                                         {"my-kv", "my-kv-v2/x"},
                                                         {"my-kv", "kv-v2/x"},
                                                         {"a_kv", "kv/x"},
                                                         {"vault-plugin-secrets-kv", "kv-v1/write"},
                                                         {"x.kv", "kv/x"},
                                                         {"links", "links/x"},
                                                         {"sys-info", "sys-info/x"},
                                                         {"go-kv-v0.26.2", "kv-v2/x"},
                                                         {"secrets-kv_1.0.0", "kv/x"},
                                                         {"kv-v2", "kv/x"},
                                                         {"v2", "v2/x"}};
  for (const auto& [name, type] : allowed) {
    EXPECT_EQ(TypeFrom(name, type), absl::OkStatus()) << name << " " << type;
    EXPECT_EQ(TypeFrom("other", type, name), absl::OkStatus()) << name << " " << type;
  }
  const std::pair<const char*, const char*> refused[] = {{"kv", "notes/write"},
                                                         {"kv", "k/x"},
                                                         {"kv", "kvx/x"},
                                                         {"kv", "KV/x"},
                                                         {"kv", "x-kv/x"},
                                                         {"kv", "kv.v2/x"},
                                                         {"my-kv", "my/x"},
                                                         {"my-kv", "-kv/x"},
                                                         {"my-kv", "-/x"},
                                                         {"gokv", "kv/x"},
                                                         {"kv-", "-/x"},
                                                         {"notes", "kv-v2/x"},
                                                         {"", "kv/x"},
                                                         {"", "-/x"},
                                                         {"kv", "%6bv/x"},
                                                         {"kv-helper", "kv/x"},
                                                         {"go-kv-v0.26.2", "go/x"},
                                                         {"kv-v2x", "kv/x"},
                                                         {"kv-v", "kv/x"}};
  for (const auto& [name, type] : refused) {
    for (const absl::Status& status : {TypeFrom(name, type), TypeFrom("other", type, name)})
      EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied) << name << " " << type;
  }
}

TEST(AcceptEvent, NoPluginSendsWhatIsTheHostsWhateverItsName) {
  for (const char* name : {"kv", "sys", "Sys", "my-sys", "sys-info", "sys.kv", ""}) {
    for (const char* type : {"sys", "sys/plugin-crash", "SYS/plugin-crash", "sYs/x/y"}) {
      const absl::Status status = TypeFrom(name, type);
      EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied) << name << " " << type;
      EXPECT_NE(std::string(status.message()).find("\"sys\""), std::string::npos) << status;
    }
  }
}

TEST(AcceptEvent, APathThatIsNoTextIsInvalid) {
  logical::EventReceived event = MakeEvent();
  (*event.mutable_event()->mutable_metadata()->mutable_fields())["path"].set_number_value(1);
  EXPECT_EQ(Accept(event).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(AcceptEvent, AMetadataValueIsThereAndFiniteHoweverDeepItIs) {
  google::protobuf::Value missing;
  google::protobuf::Value infinite;
  infinite.set_number_value(std::numeric_limits<double>::infinity());
  google::protobuf::Value unnamed;
  (*unnamed.mutable_struct_value()->mutable_fields())[""].set_bool_value(true);
  const std::pair<google::protobuf::Value, const char*> values[] = {
      {missing, "a metadata value of the event is missing"},
      {infinite, "a metadata number of the event is not finite"},
      {unnamed, "a metadata key of the event is empty"}};
  for (const auto& [value, reason] : values) {
    google::protobuf::Value in_list;
    *in_list.mutable_list_value()->add_values() = value;
    google::protobuf::Value in_object;
    (*in_object.mutable_struct_value()->mutable_fields())["a"] = in_list;
    for (const google::protobuf::Value& whole : {value, in_list, in_object}) {
      logical::EventReceived event = MakeEvent();
      (*event.mutable_event()->mutable_metadata()->mutable_fields())["x"] = whole;
      EXPECT_EQ(Accept(event).status(), absl::InvalidArgumentError(reason))
          << whole.ShortDebugString();
    }
  }
}

TEST(AcceptEvent, AMetadataKeyHasANameWithoutControlCharacters) {
  for (const char* key : {"", "a\nb", "\x7f"}) {
    logical::EventReceived event = MakeEvent();
    (*event.mutable_event()->mutable_metadata()->mutable_fields())[key].set_string_value("v");
    EXPECT_EQ(Accept(event).status().code(), absl::StatusCode::kInvalidArgument) << key;
  }
}

TEST(AcceptEvent, MetadataHasAsManyBytesAsTheSdkAllows) {
  logical::EventReceived event = MakeEvent();
  std::size_t others = 1;  // The key "x".
  for (const auto& [key, value] : event.event().metadata().fields())
    others += key.size() + value.string_value().size();
  const auto status_for = [&](std::size_t bytes) {
    (*event.mutable_event()->mutable_metadata()->mutable_fields())["x"].set_string_value(
        std::string(bytes - others, 'x'));
    return Accept(event).status();
  };
  EXPECT_EQ(status_for(28 * 1024), absl::OkStatus());
  EXPECT_EQ(
      status_for(28 * 1024 + 1),
      absl::InvalidArgumentError("an event may have 28672 bytes of metadata, this one has 28673"));
}

TEST(AcceptEvent, WhatIsTooLargeAsAWholeIsExhausted) {
  logical::EventReceived large = MakeEvent();
  large.mutable_event()->set_note(std::string(40 * 1024, 'x'));
  EXPECT_EQ(Accept(large).status().code(), absl::StatusCode::kResourceExhausted);
}

TEST(AcceptEvent, TooManyEntriesAndTooLongATypeAreInvalid) {
  logical::EventReceived many = MakeEvent();
  for (int i = 0; i < 70; ++i) {
    (*many.mutable_event()->mutable_metadata()->mutable_fields())[std::to_string(i)]
        .set_string_value("v");
  }
  EXPECT_EQ(Accept(many).status().code(), absl::StatusCode::kInvalidArgument);
  logical::EventReceived long_type = MakeEvent();
  long_type.set_event_type(std::string(300, 'x'));
  EXPECT_EQ(Accept(long_type).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(AcceptEvent, WhatTheHostAddsStillFitsWithinTheLimit) {
  logical::EventReceived event = MakeEvent();
  int accepted = 0;
  for (std::size_t note = Limits().max_event_bytes - 600; note < Limits().max_event_bytes; ++note) {
    event.mutable_event()->set_note(std::string(note, 'x'));
    const absl::StatusOr<logical::EventReceived> whole = Accept(event);
    if (!whole.ok()) continue;
    EXPECT_LE(whole->ByteSizeLong(), Limits().max_event_bytes);
    ++accepted;
  }
  EXPECT_GT(accepted, 100);
}

TEST(AcceptEvent, AMissingIdIsMade) {
  logical::EventReceived event = MakeEvent();
  event.mutable_event()->clear_id();
  EXPECT_EQ(Accept(event)->event().id().size(), 36u);
  event.clear_event();
  EXPECT_EQ(Accept(event)->event().id().size(), 36u);
}

}  // namespace
}  // namespace belfry::plugin_host
