#include "server/bus/filter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/text.h"

namespace belfry::bus {
namespace {

using ::testing::HasSubstr;

logical::EventReceived WriteEvent() {
  logical::EventReceived event;
  event.set_event_type("kv-v2/data-write");
  event.mutable_plugin_info()->set_mount_path("secret/");
  auto& fields = *event.mutable_event()->mutable_metadata()->mutable_fields();
  fields["operation"].set_string_value("data-write");
  fields["path"].set_string_value("secret/data/team/db");
  fields["data_path"].set_string_value("secret/data/team/db");
  return event;
}

bool Matches(std::string_view text, const logical::EventReceived& event = WriteEvent()) {
  const auto filter = Filter::Parse(text, Limits());
  EXPECT_TRUE(filter.ok()) << text << ": " << filter.status();
  return filter.ok() && (*filter)->Matches(FieldsOf(event));
}

std::string Refusal(std::string_view text, const Limits& limits = {}) {
  const auto filter = Filter::Parse(text, limits);
  EXPECT_EQ(filter.status().code(), absl::StatusCode::kInvalidArgument) << text;
  return std::string(ToStd(filter.status().message()));
}

TEST(Filter, EveryFieldCanBeAskedFor) {
  EXPECT_TRUE(Matches(R"(event_type == "kv-v2/data-write")"));
  EXPECT_TRUE(Matches(R"(operation == "data-write")"));
  EXPECT_TRUE(Matches("source_plugin_mount == secret/"));
  EXPECT_TRUE(Matches("data_path == secret/data/team/db"));
  EXPECT_TRUE(Matches("namespace is empty"));
  EXPECT_TRUE(Matches("source_plugin_is_local == false"));
  logical::EventReceived event = WriteEvent();
  event.set_namespace_("ns1/");
  event.mutable_plugin_info()->set_is_local(true);
  EXPECT_TRUE(Matches("namespace == ns1/", event));
  EXPECT_TRUE(Matches("source_plugin_is_local == t", event));
}

TEST(Filter, AFieldMayBeWrittenAsAPointer) {
  EXPECT_TRUE(Matches(R"("/operation" == "data-write")"));
}

TEST(Filter, EveryOperatorAnswersBothWays) {
  EXPECT_FALSE(Matches("operation == write"));
  EXPECT_TRUE(Matches("operation != write"));
  EXPECT_TRUE(Matches("operation contains write"));
  EXPECT_FALSE(Matches("operation not contains write"));
  EXPECT_TRUE(Matches("team in data_path"));
  EXPECT_FALSE(Matches("team not in data_path"));
  EXPECT_TRUE(Matches("data_path matches `^secret/.*/db$`"));
  EXPECT_FALSE(Matches("data_path not matches `^secret/.*/db$`"));
  EXPECT_FALSE(Matches("data_path is empty"));
  EXPECT_TRUE(Matches("data_path is not empty"));
  EXPECT_TRUE(Matches("source_plugin_is_local != true"));
}

TEST(Filter, WordsCombineConditions) {
  EXPECT_TRUE(Matches("operation == x or team in data_path"));
  EXPECT_FALSE(Matches("operation == x and team in data_path"));
  EXPECT_TRUE(Matches("not (operation == x and team in data_path)"));
  EXPECT_FALSE(Matches("not team in data_path or operation == x"));
}

TEST(Filter, ARegularExpressionMatchesAnywhereUnlessItIsAnchored) {
  EXPECT_TRUE(Matches(R"(data_path matches "t..m")"));
  EXPECT_FALSE(Matches(R"(data_path matches "^t..m$")"));
  EXPECT_TRUE(Matches(R"(data_path matches "(?i)TEAM")"));
  EXPECT_TRUE(Matches(R"(data_path matches "")"));
}

TEST(Filter, WhatAnEventHasNotIsEmpty) {
  logical::EventReceived bare;
  bare.set_event_type("t");
  for (const char* field : {"operation", "data_path", "source_plugin_mount", "namespace"}) {
    EXPECT_TRUE(Matches(Concat({field, " is empty"}), bare)) << field;
    EXPECT_TRUE(Matches(Concat({field, " == ``"}), bare)) << field;
  }
  (*bare.mutable_event()->mutable_metadata()->mutable_fields())["operation"].set_number_value(1);
  EXPECT_TRUE(Matches("operation is empty", bare));
}

TEST(Filter, KeepsItsText) {
  EXPECT_EQ((*Filter::Parse("operation  == x", Limits()))->text(), "operation  == x");
}

TEST(Filter, MistakesInTheGrammarAreRefusedWithTheirPlace) {
  EXPECT_THAT(Refusal("operation = x"), HasSubstr("1:11 (10): no match found, expected: "));
  EXPECT_THAT(Refusal(""), HasSubstr("1:1 (0): no match found, expected: "));
}

TEST(Filter, AnUnknownFieldIsRefusedWithTheNamesThatThereAre) {
  EXPECT_EQ(Refusal("team in data_path or nosuch == 1"),
            "1:22 (21): there is no field \"nosuch\"; the fields are event_type, operation, "
            "source_plugin_mount, data_path, namespace, source_plugin_is_local");
  for (const char* unknown :
       {"path == a", "operation.x == a", "operation[`0`] is empty", "EventType == a",
        "Operation == a", "\"\" is empty", "\"/operation/x\" is empty"}) {
    EXPECT_THAT(Refusal(unknown), HasSubstr("1:1 (0): there is no field \"")) << unknown;
  }
}

TEST(Filter, ABooleanIsComparedWithBooleansOnly) {
  EXPECT_EQ(Refusal("source_plugin_is_local == maybe"),
            "1:27 (26): source_plugin_is_local is true or false, not this");
  for (const char* text :
       {"source_plugin_is_local contains true", "true in source_plugin_is_local",
        "source_plugin_is_local matches true", "source_plugin_is_local is empty"}) {
    EXPECT_THAT(Refusal(text),
                HasSubstr("source_plugin_is_local can only be compared by == and !="))
        << text;
  }
}

TEST(Filter, WhatCouldNeverHoldIsRefusedAndWhatCouldIsKept) {
  EXPECT_EQ(Refusal("operation == x and source_plugin_mount == secret"),
            "1:43 (42): no mount is called this, their paths end in '/': secret/");
  EXPECT_EQ(Refusal(R"(namespace == "root")"),
            "1:14 (13): no namespace is called this; the root's name is empty: \"\"");
  EXPECT_THAT(Refusal("source_plugin_mount == kv or namespace == root"), HasSubstr("no namespace"));
  for (const char* kept :
       {"source_plugin_mount == secret or operation == x", "source_plugin_mount != secret",
        "not source_plugin_mount == secret", "source_plugin_mount contains secret",
        "source_plugin_mount == ``", "namespace == ns1", "namespace != root"}) {
    EXPECT_TRUE(Filter::Parse(kept, Limits()).ok()) << kept;
  }
}

TEST(Filter, ABadRegularExpressionIsRefused) {
  EXPECT_EQ(Refusal(R"(operation is empty or operation matches "(a")"),
            "1:41 (40): this is no regular expression: missing ): (a");
  for (const char* bad :
       {"operation matches `a**`", "operation matches `(?=a)`", "operation matches `\\1`",
        "operation matches `a{1001}`", "operation matches \"\\xff\""}) {
    EXPECT_THAT(Refusal(bad), HasSubstr("this is no regular expression")) << bad;
  }
}

TEST(Filter, ItsSizeIsBounded) {
  Limits limits;
  limits.max_filter_bytes = 14;
  EXPECT_TRUE(Filter::Parse("operation == x", limits).ok());
  EXPECT_EQ(Refusal("operation == xy", limits), "longer than 14 bytes");
  limits = {};
  limits.max_filter_regexes = 1;
  EXPECT_EQ(Refusal("operation matches a and operation matches b", limits),
            "1:43 (42): more than 1 regular expressions");
  EXPECT_THAT(Refusal("operation matches `(\\pL{100}){10}`"), HasSubstr("pattern too large"));
}

}  // namespace
}  // namespace belfry::bus
