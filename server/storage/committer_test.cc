#include "server/storage/committer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/mutex.h"

namespace belfry::storage {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Ne;

// Memory that notes how many batches each write has, and does as a test wants before it.
class HookedPhysicalStorage final : public PhysicalStorage {
 public:
  explicit HookedPhysicalStorage(bool writes_wait = false) : writes_wait_(writes_wait) {}

  std::function<absl::Status()> before_write = [] { return absl::OkStatus(); };
  std::vector<std::size_t> writes;  // Of whoever commits.

  absl::StatusOr<std::optional<std::string>> Get(std::string_view key) const override {
    return memory_->Get(key);
  }
  absl::StatusOr<std::vector<std::string>> List(std::string_view prefix) const override {
    return memory_->List(prefix);
  }
  absl::StatusOr<std::vector<Entry>> Scan(std::string_view prefix, std::string_view after,
                                          std::size_t limit) const override {
    return memory_->Scan(prefix, after, limit);
  }
  absl::Status Write(std::span<WriteBatch* const> batches) override {
    writes.push_back(batches.size());
    if (absl::Status status = before_write(); !status.ok()) return status;
    return memory_->Write(batches);
  }
  bool WritesWait() const override { return writes_wait_; }
  std::unique_ptr<Snapshot> TakeSnapshot() const override { return memory_->TakeSnapshot(); }

 private:
  const bool writes_wait_;
  const std::unique_ptr<PhysicalStorage> memory_ = NewInMemoryPhysicalStorage();
};

// Notes what it is told, in order.
class NotingObserver final : public EventObserver {
 public:
  std::size_t most_at_once = 1000;
  std::function<void()> on_events = [] {};

  void OnEvents(std::span<const AcceptedEvent> events) override {
    {
      MutexLock lock(&mutex_);
      for (const AcceptedEvent& event : events) {
        types_.push_back(event.type);
        sequences_.push_back(event.sequence);
      }
    }
    on_events();
  }
  std::size_t MostEventsAtOnce() const override { return most_at_once; }
  std::vector<std::string> types() const {
    MutexLock lock(&mutex_);
    return types_;
  }
  std::vector<std::uint64_t> sequences() const {
    MutexLock lock(&mutex_);
    return sequences_;
  }

 private:
  mutable Mutex mutex_;
  std::vector<std::string> types_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::uint64_t> sequences_ ABSL_GUARDED_BY(mutex_);
};

WriteBatch Events(const std::vector<std::string>& types) {
  WriteBatch batch;
  for (const std::string& type : types) batch.events.push_back({.type = type});
  return batch;
}

WriteBatch Change(const std::string& key, const std::vector<std::string>& types = {}) {
  WriteBatch batch = Events(types);
  batch.Put(key, "v");
  return batch;
}

class CommitterTest : public ::testing::Test {
 protected:
  // Commits and says when it is done.
  std::future<absl::Status> Commit(WriteBatch batch) {
    auto ended = std::make_shared<std::promise<absl::Status>>();
    std::future<absl::Status> status = ended->get_future();
    storage_->Commit(std::move(batch),
                     [ended](absl::Status committed) { ended->set_value(std::move(committed)); });
    return status;
  }
  static bool IsDone(const std::future<absl::Status>& status) {
    return status.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
  }

  HookedPhysicalStorage physical_;
  NotingObserver observer_;
  const std::unique_ptr<Storage> storage_ = NewCommitter(&physical_, &observer_);
};

// Somebody who commits, and is held up in the middle of it until Release.
class HeldUp {
 public:
  // What is called in the middle, once.
  std::function<void()> Hook() {
    return [this] {
      if (std::exchange(entered_, true)) return;
      in_the_middle_.set_value();
      go_on_.get_future().wait();
    };
  }
  void Await() { in_the_middle_.get_future().wait(); }
  void Release() { go_on_.set_value(); }

 private:
  bool entered_ = false;  // Of whoever commits.
  std::promise<void> in_the_middle_;
  std::promise<void> go_on_;
};

TEST_F(CommitterTest, WhoeverIsToldOfAChangeFindsItStored) {
  bool stored = false;
  observer_.on_events = [&] { stored = storage_->Get("a")->has_value(); };
  EXPECT_EQ(CommitAndWait(*storage_, Change("a", {"changed"})), absl::OkStatus());
  EXPECT_TRUE(stored);
  EXPECT_THAT(observer_.types(), ElementsAre("changed"));
}

TEST_F(CommitterTest, WithNobodyElseTheCallerCommitsAndNeedsNoOtherThread) {
  std::thread::id committed_by;
  storage_->Commit(Change("a"),
                   [&](const absl::Status&) { committed_by = std::this_thread::get_id(); });
  EXPECT_EQ(committed_by, std::this_thread::get_id());
}

TEST_F(CommitterTest, WhereWritesWaitNoCallerDoesAndAllThatCameMeanwhileIsOneWrite) {
  HookedPhysicalStorage disk(/*writes_wait=*/true);
  std::promise<void> writing;
  std::promise<void> written;
  std::vector<std::thread::id> writers;
  disk.before_write = [&] {
    writers.push_back(std::this_thread::get_id());
    if (writers.size() == 1) {
      writing.set_value();
      written.get_future().wait();
    }
    return absl::OkStatus();
  };
  const std::unique_ptr<Storage> storage = NewCommitter(&disk, &observer_);
  const auto commit = [&](WriteBatch batch) {
    auto ended = std::make_shared<std::promise<absl::Status>>();
    storage->Commit(std::move(batch),
                    [ended](absl::Status committed) { ended->set_value(std::move(committed)); });
    return ended->get_future();
  };
  std::future<absl::Status> first = commit(Change("a"));
  writing.get_future().wait();
  std::future<absl::Status> second = commit(Change("b"));
  std::future<absl::Status> third = commit(Change("c", {"kv/c"}));
  EXPECT_FALSE(IsDone(first));
  written.set_value();
  for (std::future<absl::Status>* const done : {&first, &second, &third}) {
    EXPECT_EQ(done->get(), absl::OkStatus());
  }
  EXPECT_THAT(disk.writes, ElementsAre(1, 2));
  EXPECT_THAT(writers, Each(Ne(std::this_thread::get_id())));
  EXPECT_THAT(observer_.types(), ElementsAre("kv/c"));
}

TEST_F(CommitterTest, WhereWritesWaitTheNextDoesNotWaitUntilAllAreToldOfTheLast) {
  HookedPhysicalStorage disk(/*writes_wait=*/true);
  std::promise<void> first_write;
  std::promise<void> both_wait;
  std::promise<void> second_write;
  const std::shared_future<void> second_begun = second_write.get_future().share();
  int writes = 0;
  disk.before_write = [&] {
    ++writes;
    if (writes == 1) {
      first_write.set_value();
      both_wait.get_future().wait();
    }
    if (writes == 2) second_write.set_value();
    return absl::OkStatus();
  };
  const std::unique_ptr<Storage> storage = NewCommitter(&disk, nullptr);
  std::vector<std::string> told;  // Of one thread at a time.
  std::promise<void> all_told;
  storage->Commit(Change("a"), [&](const absl::Status&) {
    EXPECT_EQ(second_begun.wait_for(std::chrono::seconds(60)), std::future_status::ready);
    told.emplace_back("a");
  });
  first_write.get_future().wait();
  storage->Commit(Change("b"), [&](const absl::Status&) { told.emplace_back("b"); });
  both_wait.set_value();
  // Still in the order of the commits, events that come alone among them.
  second_begun.wait();
  storage->Commit(Events({"kv/c"}), [&](const absl::Status&) {
    told.emplace_back("c");
    all_told.set_value();
  });
  all_told.get_future().wait();
  EXPECT_THAT(told, ElementsAre("a", "b", "c"));
}

TEST_F(CommitterTest, WhatCannotBeStoredIsNotTold) {
  physical_.before_write = [] { return absl::ResourceExhaustedError("the disk is full"); };
  EXPECT_EQ(CommitAndWait(*storage_, Change("a", {"changed"})),
            absl::ResourceExhaustedError("the disk is full"));
  EXPECT_EQ(CommitAndWait(*storage_, Change("../a", {"changed"})),
            absl::InvalidArgumentError("relative paths not supported"));
  EXPECT_THAT(observer_.types(), IsEmpty());
  EXPECT_THAT(physical_.writes, ElementsAre(1));
}

TEST_F(CommitterTest, PlacesAreGivenInOneOrderWithoutAGap) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([this, t] {
      for (int i = 0; i < 250; ++i) {
        const std::string key = std::to_string(t);
        WriteBatch batch = i % 2 == 0 ? Change(key, {key}) : Events({key});
        EXPECT_EQ(CommitAndWait(*storage_, std::move(batch)), absl::OkStatus());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const std::vector<std::uint64_t> sequences = observer_.sequences();
  ASSERT_EQ(sequences.size(), 1000u);
  for (std::size_t i = 0; i < sequences.size(); ++i) ASSERT_EQ(sequences[i], i + 1);
}

TEST_F(CommitterTest, WhoeverCommitsMeanwhileIsNotHeldUpAndAllThatWaitIsWrittenAtOnce) {
  HeldUp held_up;
  physical_.before_write = [hook = held_up.Hook()] {
    hook();
    return absl::OkStatus();
  };
  std::thread slow([this] { EXPECT_EQ(CommitAndWait(*storage_, Change("a")), absl::OkStatus()); });
  held_up.Await();
  std::vector<std::future<absl::Status>> waiting;
  for (const char* key : {"b", "c", "d"}) waiting.push_back(Commit(Change(key, {key})));
  for (const auto& status : waiting) EXPECT_FALSE(IsDone(status));
  EXPECT_EQ(*storage_->Get("b"), std::nullopt);
  held_up.Release();
  for (auto& status : waiting) EXPECT_EQ(status.get(), absl::OkStatus());
  slow.join();
  EXPECT_THAT(physical_.writes, ElementsAre(1, 3));
  EXPECT_THAT(observer_.types(), ElementsAre("b", "c", "d"));
}

TEST_F(CommitterTest, WhenOneOfThoseWrittenAtOnceCannotBeAllAreToldSo) {
  HeldUp held_up;
  int writes = 0;
  physical_.before_write = [&, hook = held_up.Hook()] {
    hook();
    return ++writes == 1 ? absl::OkStatus() : absl::ResourceExhaustedError("the disk is full");
  };
  std::thread slow([this] { EXPECT_EQ(CommitAndWait(*storage_, Change("a")), absl::OkStatus()); });
  held_up.Await();
  std::future<absl::Status> b = Commit(Change("b", {"b"}));
  std::future<absl::Status> c = Commit(Change("c", {"c"}));
  held_up.Release();
  EXPECT_EQ(b.get().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(c.get().code(), absl::StatusCode::kResourceExhausted);
  slow.join();
  EXPECT_THAT(observer_.types(), IsEmpty());
}

TEST_F(CommitterTest, ALongBatchOfEventsHasItsTurnsAndChangesGoFirst) {
  HeldUp held_up;
  observer_.most_at_once = 2;
  observer_.on_events = held_up.Hook();
  std::thread sender([this] {
    EXPECT_EQ(CommitAndWait(*storage_, Events({"1", "2", "3", "4", "5"})), absl::OkStatus());
  });
  held_up.Await();
  std::future<absl::Status> other = Commit(Events({"other"}));
  std::future<absl::Status> change = Commit(Change("a", {"changed", "changed", "changed"}));
  held_up.Release();
  EXPECT_EQ(change.get(), absl::OkStatus());
  EXPECT_EQ(other.get(), absl::OkStatus());
  sender.join();
  EXPECT_THAT(observer_.types(),
              ElementsAre("1", "2", "changed", "changed", "changed", "other", "3", "4", "5"));
  EXPECT_THAT(observer_.sequences(), ElementsAre(1, 2, 3, 4, 5, 6, 7, 8, 9));
}

TEST_F(CommitterTest, WhoeverHearsOfACommitMayCommitMore) {
  std::future<absl::Status> second;
  storage_->Commit(Change("a", {"first"}),
                   [&](const absl::Status&) { second = Commit(Change("b", {"second"})); });
  EXPECT_EQ(second.get(), absl::OkStatus());
  EXPECT_THAT(observer_.types(), ElementsAre("first", "second"));
}

TEST_F(CommitterTest, ABatchOfNothingIsCommitted) {
  EXPECT_EQ(CommitAndWait(*storage_, {}), absl::OkStatus());
  EXPECT_THAT(observer_.types(), IsEmpty());
}

}  // namespace
}  // namespace belfry::storage
