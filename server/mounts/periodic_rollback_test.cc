#include "server/mounts/periodic_rollback.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/testing.h"
#include "server/mounts/testing.h"

namespace belfry::mounts {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// What the engines were asked, and the answers that are still to be given.
struct Asked {
  std::vector<std::string> requests;
  std::vector<absl::AnyInvocable<void(absl::StatusOr<Reply>)>> open;
  std::optional<absl::StatusOr<Reply>> answer = Reply{};
};

class AskedEngine final : public StubEngine {
 public:
  explicit AskedEngine(Asked* asked) : asked_(asked) {}
  void Handle(Request request, absl::AnyInvocable<void(absl::StatusOr<Reply>)> done) override {
    asked_->requests.push_back(std::string(OperationName(request.operation)) + " " +
                               request.mount_point + request.path);
    if (asked_->answer) return done(*asked_->answer);
    asked_->open.push_back(std::move(done));
  }

 private:
  Asked* const asked_;
};

class PeriodicRollbackTest : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const char* path : {"a/", "b/", "own/"}) {
      MountEntry entry;
      entry.path = path;
      entry.uuid = path;
      router_.Add(entry, entry.path == "own/" ? nullptr : &engine_);
    }
    rollback_ = PeriodicRollback::Start({.router = &router_,
                                         .clock = &clock_,
                                         .scheduler = &scheduler_,
                                         .logger = Logger(log_, "mounts")});
  }
  std::vector<std::string> AskedAfter(absl::Duration time) {
    asked_.requests.clear();
    scheduler_.Advance(time);
    return asked_.requests;
  }
  // What was logged in the next minute, when engines answer so.
  std::vector<std::string> LoggedFor(absl::StatusOr<Reply> answer) {
    const std::size_t before = log_->Lines().size();
    asked_.answer = std::move(answer);
    scheduler_.Advance(absl::Minutes(1));
    std::vector<std::string> lines = log_->Lines();
    lines.erase(lines.begin(), lines.begin() + static_cast<std::ptrdiff_t>(before));
    return lines;
  }

  FakeClock clock_{absl::FromUnixSeconds(1'700'000'000)};
  FakeScheduler scheduler_{&clock_};
  const std::shared_ptr<RecordingLogSink> log_ = std::make_shared<RecordingLogSink>();
  Asked asked_;
  AskedEngine engine_{&asked_};
  MountRouter router_;
  std::unique_ptr<PeriodicRollback> rollback_;
};

TEST_F(PeriodicRollbackTest, EveryMountIsAskedOnceAMinute) {
  EXPECT_THAT(AskedAfter(absl::Seconds(59)), IsEmpty());
  EXPECT_THAT(AskedAfter(absl::Seconds(1)), ElementsAre("rollback a/", "rollback b/"));
  EXPECT_THAT(AskedAfter(absl::Minutes(3)), SizeIs(6));
}

TEST_F(PeriodicRollbackTest, AMountIsAskedAgainWhenItHasAnswered) {
  asked_.answer.reset();
  EXPECT_THAT(AskedAfter(absl::Minutes(1)), SizeIs(2));
  EXPECT_THAT(AskedAfter(absl::Minutes(5)), IsEmpty());
  asked_.open[1](Reply{});
  EXPECT_THAT(AskedAfter(absl::Minutes(1)), ElementsAre("rollback b/"));
  for (auto& open : std::exchange(asked_.open, {})) {
    if (open) open(Reply{});
  }
}

TEST_F(PeriodicRollbackTest, WhatDoesNotKnowTheRequestIsNotLoggedAndEveryFailureIs) {
  const auto error = [](int status) {
    return Reply{.response = std::nullopt,
                 .error = EngineError{.http_status = status, .message = "sorry"}};
  };
  EXPECT_THAT(LoggedFor(Reply{}), IsEmpty());
  EXPECT_THAT(LoggedFor(error(405)), IsEmpty());
  EXPECT_THAT(LoggedFor(error(404)), IsEmpty());
  EXPECT_THAT(LoggedFor(error(500)),
              ElementsAre(HasSubstr("path=a/ error=sorry"), HasSubstr("path=b/ error=sorry")));
  EXPECT_THAT(LoggedFor(absl::UnavailableError("dead")), SizeIs(2));
}

TEST_F(PeriodicRollbackTest, AfterItsEndNobodyIsAskedAndAnswersMayStillCome) {
  asked_.answer.reset();
  EXPECT_THAT(AskedAfter(absl::Minutes(1)), SizeIs(2));
  rollback_.reset();
  EXPECT_THAT(AskedAfter(absl::Hours(1)), IsEmpty());
  for (auto& open : std::exchange(asked_.open, {})) open(Reply{});
}

}  // namespace
}  // namespace belfry::mounts
