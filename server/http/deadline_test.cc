#include "server/http/deadline.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/strand.hpp>
#include <memory>

#include "base/testing.h"
#include "gtest/gtest.h"

namespace belfry::http {
namespace {

class DeadlineTest : public ::testing::Test {
 protected:
  struct Owner {
    Owner(boost::asio::io_context& io, FakeClock* clock, FakeScheduler* scheduler)
        : deadline(boost::asio::make_strand(io), clock, scheduler) {}
    Deadline deadline;
    int expired = 0;
  };

  DeadlineTest() {
    deadline_.OnExpiry(owner_, [owner = owner_.get()] { ++owner->expired; });
  }

  void Poll() {
    io_.restart();
    io_.poll();
  }
  void Pass(absl::Duration time) {
    scheduler_.Advance(time);
    Poll();
  }

  FakeClock clock_{absl::UnixEpoch()};
  FakeScheduler scheduler_{&clock_};
  boost::asio::io_context io_;
  std::shared_ptr<Owner> owner_ = std::make_shared<Owner>(io_, &clock_, &scheduler_);
  Deadline& deadline_ = owner_->deadline;
};

TEST_F(DeadlineTest, PassesOnceEachTimeItIsSetAndNotBefore) {
  for (int times = 1; times <= 2; ++times) {
    deadline_.SetAfter(absl::Seconds(5));
    Pass(absl::Seconds(5) - absl::Nanoseconds(1));
    EXPECT_EQ(owner_->expired, times - 1);
    Pass(absl::Nanoseconds(1));
    EXPECT_EQ(owner_->expired, times);
    Pass(absl::Hours(1));
    EXPECT_EQ(owner_->expired, times);
  }
}

TEST_F(DeadlineTest, PassesSoonerWhereItIsMovedSooner) {
  deadline_.SetAfter(absl::Hours(1));
  deadline_.SetAfter(absl::Seconds(1));
  Pass(absl::Seconds(1));
  EXPECT_EQ(owner_->expired, 1);
  Pass(absl::Hours(1));
  EXPECT_EQ(owner_->expired, 1);
}

TEST_F(DeadlineTest, DoesNotPassAtTheTimeItHadBefore) {
  deadline_.SetAfter(absl::Seconds(1));
  deadline_.SetAfter(absl::Seconds(3));
  Pass(absl::Seconds(1));
  EXPECT_EQ(owner_->expired, 0);
  // The timer has looked again.
  Pass(absl::Seconds(2));
  EXPECT_EQ(owner_->expired, 1);
}

TEST_F(DeadlineTest, DoesNotPassByATimerThatAnotherHasReplaced) {
  deadline_.SetAfter(absl::Seconds(2));
  scheduler_.Advance(absl::Seconds(2));  // Fired, but its work has not run on the strand.
  deadline_.Clear();
  deadline_.SetAfter(absl::Seconds(1));
  Poll();
  EXPECT_EQ(owner_->expired, 0);
  Pass(absl::Seconds(1));
  EXPECT_EQ(owner_->expired, 1);
}

TEST_F(DeadlineTest, DoesNotPassOnceItIsCleared) {
  deadline_.SetAfter(absl::Seconds(1));
  deadline_.Clear();
  Pass(absl::Hours(1));
  EXPECT_EQ(owner_->expired, 0);
  deadline_.SetAfter(absl::Seconds(1));
  Pass(absl::Seconds(1));
  EXPECT_EQ(owner_->expired, 1);
}

TEST_F(DeadlineTest, DoesNotPassOnceItsOwnerIsGone) {
  int expired = 0;
  auto owner = std::make_shared<Owner>(io_, &clock_, &scheduler_);
  owner->deadline.OnExpiry(owner, [&] { ++expired; });
  owner->deadline.SetAfter(absl::Seconds(1));
  scheduler_.Advance(absl::Seconds(1));
  owner.reset();
  Poll();
  EXPECT_EQ(expired, 0);
}

}  // namespace
}  // namespace belfry::http
