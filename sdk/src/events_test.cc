#include "belfry/events.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace belfry {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

// Takes every event and answers with `answer`.
class RecordingSender final : public EventSender {
 public:
  absl::Status answer;
  std::vector<std::pair<std::string, std::map<std::string, std::string>>> sent;
  std::vector<std::string> logged;

 private:
  std::vector<absl::Status> DoSend(absl::Span<const Event> events) override {
    std::vector<absl::Status> answers;
    internal::EventFields fields;
    for (const Event& event : events) {
      const absl::Status status = internal::CompleteEvent(event, &fields);
      answers.push_back(status.ok() ? answer : status);
      if (!status.ok()) continue;
      sent.emplace_back(event.type,
                        std::map<std::string, std::string>(fields.begin(), fields.end()));
      EXPECT_EQ(sent.back().second.size(), fields.size());  // Each key once.
    }
    return answers;
  }
  void LogFailure(std::string_view type, const absl::Status&) override {
    logged.emplace_back(type);
  }
};

TEST(EventSender, CompletesTheMetadataAsItTravels) {
  RecordingSender sender;
  ASSERT_TRUE(
      sender
          .Send(
              "notes/write",
              {.path = "notes/a", .data_path = "notes/a", .modified = true, .extra = {{"k", "v"}}})
          .ok());
  EXPECT_EQ(sender.sent.at(0).first, "notes/write");
  EXPECT_THAT(sender.sent.at(0).second,
              ElementsAre(Pair("data_path", "notes/a"), Pair("k", "v"), Pair("modified", "true"),
                          Pair("operation", "write"), Pair("path", "notes/a")));
}

TEST(EventSender, WhatIsNamedWinsOverTheSameKeyAmongTheOthers) {
  RecordingSender sender;
  const std::map<std::string, std::string> extra = {
      {"data_path", "x"}, {"modified", "x"}, {"operation", "x"}, {"path", "x"}};
  ASSERT_TRUE(sender.Send("a/b", {.path = "p", .data_path = "d", .extra = extra}).ok());
  ASSERT_TRUE(sender.Send("a/b", {.path = "p", .extra = extra}).ok());
  EXPECT_THAT(sender.sent.at(0).second,
              ElementsAre(Pair("data_path", "d"), Pair("modified", "false"), Pair("operation", "b"),
                          Pair("path", "p")));
  EXPECT_EQ(sender.sent.at(1).second.at("data_path"), "x");
}

TEST(EventSender, LeavesOutAnEmptyDataPath) {
  RecordingSender sender;
  ASSERT_TRUE(sender.Send("notes/delete", {.path = "notes/a"}).ok());
  EXPECT_FALSE(sender.sent.at(0).second.contains("data_path"));
  EXPECT_EQ(sender.sent.at(0).second.at("modified"), "false");
}

TEST(EventSender, RefusesMalformedTypesBeforeTheyTravel) {
  RecordingSender sender;
  for (const std::string& type :
       {std::string(""), std::string("write"), std::string("/write"), std::string("notes/"),
        std::string("no tes/write"), std::string("notes/*"), "notes/" + std::string(300, 'x')}) {
    EXPECT_EQ(sender.Send(type, {.path = "a"}).code(), absl::StatusCode::kInvalidArgument) << type;
  }
  EXPECT_TRUE(sender.sent.empty());
}

TEST(EventSender, RefusesMetadataOverTheLimits) {
  RecordingSender sender;
  EventMetadata many{.path = "a"};
  for (int i = 0; i < 62; ++i) many.extra[std::to_string(i)] = "v";
  EXPECT_EQ(sender.Send("a/b", many).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(sender.Send("a/b", {.path = std::string(29 * 1024, 'x')}).code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(EventSender, RefusesPathsAndKeysThatNoRequestHas) {
  RecordingSender sender;
  for (const std::string path : {"", "/", "/ok/x", "ok/x/", "ok//x", ".", "..", "./ok", "ok/./x",
                                 "ok/../x", "../y", "ok/x\n", "o\tk", "\x7f", "\xff"}) {
    EXPECT_EQ(sender.Send("a/b", {.path = path}).code(), absl::StatusCode::kInvalidArgument)
        << path;
    if (path.empty()) continue;
    EXPECT_EQ(sender.Send("a/b", {.path = "ok", .data_path = path}).code(),
              absl::StatusCode::kInvalidArgument)
        << path;
    EXPECT_EQ(sender.Send("a/b", {.path = "ok", .extra = {{"data_path", path}}}).code(),
              absl::StatusCode::kInvalidArgument)
        << path;
  }
  for (const char* key : {"", "a\nb"}) {
    EXPECT_EQ(sender.Send("a/b", {.path = "ok", .extra = {{key, "v"}}}).code(),
              absl::StatusCode::kInvalidArgument)
        << key;
  }
  EXPECT_TRUE(sender.sent.empty());
  EXPECT_EQ(sender.Send("a/b", {.path = "..ok/x..y/ä/...", .extra = {{"note", "a\nb"}}}),
            absl::OkStatus());
}

TEST(EventSender, SendOrLogLogsWhatFailedButNotAHostWithoutEvents) {
  RecordingSender sender;
  sender.SendOrLog("a/ok", {.path = "a"});
  sender.answer = absl::FailedPreconditionError("no events here");
  sender.SendOrLog("a/none", {.path = "a"});
  sender.answer = absl::UnavailableError("gone");
  sender.SendOrLog("a/gone", {.path = "a"});
  EXPECT_THAT(sender.logged, ElementsAre("a/gone"));
}

}  // namespace
}  // namespace belfry
