#include "base/executor.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <future>
#include <latch>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace belfry {
namespace {

TEST(ThreadPool, RunsEverythingThatWasPostedBeforeItsEnd) {
  std::atomic<int> ran = 0;
  {
    const std::unique_ptr<Executor> pool = NewThreadPool(3);
    for (int i = 0; i < 100; ++i) {
      ASSERT_TRUE(pool->Post([&ran] { ++ran; }));
    }
  }
  EXPECT_EQ(ran, 100);
}

TEST(ThreadPool, RefusesWhatExceedsItsQueueAndLeavesItUntouched) {
  std::promise<void> started;
  std::promise<void> release;
  std::atomic<int> ran = 0;
  absl::AnyInvocable<void()> refused = [&ran] { ran += 100; };
  {
    const std::unique_ptr<Executor> pool = NewThreadPool(1, 2);
    ASSERT_TRUE(pool->Post([&] {
      started.set_value();
      release.get_future().wait();
    }));
    started.get_future().wait();
    ASSERT_TRUE(pool->Post([&ran] { ++ran; }));
    ASSERT_TRUE(pool->Post([&ran] { ++ran; }));
    EXPECT_FALSE(pool->Post(std::move(refused)));
    release.set_value();
  }
  EXPECT_EQ(ran, 2);
  refused();
  EXPECT_EQ(ran, 102);
}

TEST(ThreadPool, OwnersTakeTurnsAndNoOwnerMayFillTheQueue) {
  std::promise<void> started;
  std::promise<void> release;
  std::vector<std::string> ran;
  {
    const std::unique_ptr<Executor> pool = NewThreadPool(1, 12);
    ASSERT_TRUE(pool->Post([&] {
      started.set_value();
      release.get_future().wait();
    }));
    started.get_future().wait();
    const auto post = [&](std::string_view owner, std::string name) {
      return pool->PostFor(owner, [&ran, name = std::move(name)] { ran.push_back(name); });
    };
    for (const char* name : {"a1", "a2", "a3"}) EXPECT_TRUE(post("a", name));
    EXPECT_FALSE(post("a", "a4"));
    EXPECT_TRUE(post("b", "b1"));
    EXPECT_TRUE(pool->Post([&ran] { ran.emplace_back("unowned"); }));
    EXPECT_TRUE(post("b", "b2"));
    release.set_value();
  }
  EXPECT_EQ(ran, (std::vector<std::string>{"a1", "b1", "unowned", "a2", "b2", "a3"}));
}

TEST(ThreadPool, AnOwnerHasHalfOfTheThreadsAtMost) {
  constexpr int kTasks = 6;
  std::promise<void> release;
  const std::shared_future<void> released = release.get_future().share();
  std::latch two_run(2);
  std::atomic<int> begun = 0;
  std::promise<void> of_another;
  std::promise<void> unowned;
  bool all_posted = true;
  int begun_before_release = 0;
  {
    const std::unique_ptr<Executor> pool = NewThreadPool(4);
    for (int i = 0; i < kTasks; ++i) {
      all_posted &= pool->PostFor("a", [&, released] {
        if (++begun <= 2) two_run.count_down();
        released.wait();
      });
    }
    two_run.wait();
    // Others have the threads that are left, one after the other.
    all_posted &= pool->PostFor("b", [&] { of_another.set_value(); });
    of_another.get_future().wait();
    all_posted &= pool->Post([&] { unowned.set_value(); });
    unowned.get_future().wait();
    begun_before_release = begun;
    release.set_value();
  }
  EXPECT_TRUE(all_posted);
  EXPECT_EQ(begun_before_release, 2);
  EXPECT_EQ(begun, kTasks);
}

TEST(ThreadPool, WhatHasNoOwnerMayHaveAllThreads) {
  std::latch all_run(4);
  const std::unique_ptr<Executor> pool = NewThreadPool(4);
  for (int i = 0; i < 4; ++i) {
    ASSERT_TRUE(pool->Post([&all_run] { all_run.arrive_and_wait(); }));
  }
  all_run.wait();
}

TEST(ThreadPool, WhatHasToBeDoneIsNeitherRefusedNorDoneHere) {
  std::promise<void> started;
  std::promise<void> release;
  std::thread::id done_by;
  {
    const std::unique_ptr<Executor> pool = NewThreadPool(1, 0);
    pool->PostAlways([&] {
      started.set_value();
      release.get_future().wait();
    });
    started.get_future().wait();
    ASSERT_FALSE(pool->Post([] {}));
    // The only thread of the pool is busy, and this one must not wait for it.
    pool->PostAlways([&done_by] { done_by = std::this_thread::get_id(); });
    EXPECT_EQ(done_by, std::thread::id());
    release.set_value();
  }
  EXPECT_NE(done_by, std::thread::id());
  EXPECT_NE(done_by, std::this_thread::get_id());
}

TEST(ElasticPool, RunsEverythingThatWasPostedBeforeItsEnd) {
  std::atomic<int> ran = 0;
  {
    const std::unique_ptr<Executor> pool = NewElasticPool(3, 100);
    for (int i = 0; i < 100; ++i) {
      ASSERT_TRUE(pool->Post([&ran] { ++ran; }));
    }
  }
  EXPECT_EQ(ran, 100);
}

TEST(ElasticPool, ATaskThatIsHeldUpHoldsUpNoOther) {
  std::promise<void> release;
  const std::shared_future<void> released = release.get_future().share();
  const std::unique_ptr<Executor> pool = NewElasticPool(8, 0);
  for (int i = 0; i < 7; ++i) ASSERT_TRUE(pool->Post([released] { released.wait(); }));
  std::promise<void> ran;
  ASSERT_TRUE(pool->Post([&ran] { ran.set_value(); }));
  ran.get_future().wait();
  release.set_value();
}

TEST(ElasticPool, RefusesWhatExceedsItsThreadsAndLeavesItUntouched) {
  std::promise<void> release;
  const std::shared_future<void> released = release.get_future().share();
  std::atomic<int> ran = 0;
  absl::AnyInvocable<void()> refused = [&ran] { ran += 100; };
  std::thread::id done_by;
  {
    const std::unique_ptr<Executor> pool = NewElasticPool(2, 0);
    for (int i = 0; i < 2; ++i) ASSERT_TRUE(pool->Post([released] { released.wait(); }));
    EXPECT_FALSE(pool->Post(std::move(refused)));
    pool->PostAlways([&done_by] { done_by = std::this_thread::get_id(); });
    EXPECT_EQ(done_by, std::thread::id());
    release.set_value();
  }
  EXPECT_NE(done_by, std::thread::id());
  EXPECT_NE(done_by, std::this_thread::get_id());
  refused();
  EXPECT_EQ(ran, 100);
}

}  // namespace
}  // namespace belfry
