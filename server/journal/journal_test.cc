#include "server/journal/journal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/testing.h"
#include "server/journal/testing.h"
#include "server/journal/trim.h"
#include "server/storage/committer.h"
#include "server/storage/physical_storage.h"

namespace belfry::journal {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const absl::Time kStart = absl::FromUnixSeconds(1'700'000'000);

// One life of a server, over a storage that outlives it.
struct Life {
  Life(TestedMemory* physical, FakeClock* clock, const Retention& retention)
      : journal(physical, metrics.get(), retention),
        opened(journal.Open()),
        storage(storage::NewCommitter(physical, nullptr, &journal)),
        clock(clock) {}

  void TrimNow() { Trim(journal, *storage, clock->Now(), Logger()); }

  const std::unique_ptr<Metrics> metrics = NewMetrics();
  Journal journal;
  const absl::Status opened;
  const std::unique_ptr<storage::Storage> storage;
  FakeClock* const clock;
};

class JournalTest : public ::testing::Test {
 protected:
  void Restart() {
    life_ = nullptr;
    life_ = std::make_unique<Life>(&physical_, &clock_, retention_);
  }
  Journal& journal() { return life_->journal; }

  absl::Status Commit(const std::vector<std::string>& paths, std::size_t bytes = 10) {
    storage::WriteBatch batch;
    for (const std::string& path : paths) {
      batch.events.push_back({.accepted = clock_.Now(),
                              .bytes = std::string(bytes, 'b'),
                              .type = "kv-v2/data-write",
                              .path = path,
                              .mount = "secret/",
                              .name_space = ""});
      batch.Put(path, "v");
    }
    return CommitAndWait(*life_->storage, std::move(batch));
  }

  // "SEQUENCE PATH" of all that is found behind a place.
  std::vector<std::string> ReadAll(std::uint64_t after = 0) {
    std::vector<std::string> found;
    for (;;) {
      const auto blocks = journal().Read(after);
      EXPECT_EQ(blocks.status(), absl::OkStatus());
      if (!blocks.ok() || blocks->empty()) return found;
      for (const BlockPtr& block : *blocks) {
        for (const storage::AcceptedEvent& event : block->events) {
          if (event.sequence <= after) continue;
          found.push_back(std::to_string(event.sequence) + " " + event.path);
          after = event.sequence;
        }
      }
    }
  }

  // One batch an event, until the journal has deleted some.
  void WriteUntilDeleted() {
    for (int i = 0; journal().Kept().first == 1; ++i) {
      ASSERT_LT(i, 10'000);
      ASSERT_EQ(Commit({"p"}, 1000), absl::OkStatus());
      life_->TrimNow();
    }
  }

  FakeClock clock_{kStart};
  Retention retention_;
  TestedMemory physical_;
  std::unique_ptr<Life> life_ = std::make_unique<Life>(&physical_, &clock_, retention_);
};

constexpr char kBlocks[] = "ordered/journal/blocks/";
constexpr char kSegments[] = "ordered/journal/segments/";

TEST_F(JournalTest, EventsAreReadInTheirOrderBehindEachPlace) {
  ASSERT_EQ(Commit({"a", "b"}), absl::OkStatus());
  ASSERT_EQ(Commit({"c"}), absl::OkStatus());
  EXPECT_THAT(ReadAll(), ElementsAre("1 a", "2 b", "3 c"));
  EXPECT_THAT(ReadAll(1), ElementsAre("2 b", "3 c"));
  EXPECT_THAT(ReadAll(3), IsEmpty());
  EXPECT_EQ(journal().Kept().first, 1u);
  EXPECT_EQ(journal().Kept().last, 3u);
}

TEST_F(JournalTest, WhatIsReadAfterARestartIsWhatWasCommitted) {
  ASSERT_EQ(Commit({"a", "b"}), absl::OkStatus());
  const std::string epoch = journal().epoch();
  Restart();
  EXPECT_EQ(journal().epoch(), epoch);
  ASSERT_EQ(Commit({"c"}), absl::OkStatus());
  EXPECT_THAT(ReadAll(), ElementsAre("1 a", "2 b", "3 c"));
  const auto blocks = journal().Read(0);
  const storage::AcceptedEvent& event = blocks->front()->events.front();
  EXPECT_EQ(event.accepted, kStart);
  EXPECT_EQ(event.bytes, std::string(10, 'b'));
  EXPECT_EQ(event.type, "kv-v2/data-write");
  EXPECT_EQ(event.mount, "secret/");
}

TEST_F(JournalTest, AWriteThatFailsLeavesNoEventAndItsPlaceIsGivenAgain) {
  ASSERT_EQ(Commit({"a"}), absl::OkStatus());
  physical_.fails = true;
  EXPECT_EQ(Commit({"lost"}), absl::UnavailableError("no disk"));
  physical_.fails = false;
  EXPECT_THAT(ReadAll(), ElementsAre("1 a"));
  ASSERT_EQ(Commit({"b"}), absl::OkStatus());
  EXPECT_THAT(ReadAll(), ElementsAre("1 a", "2 b"));
  Restart();
  EXPECT_EQ(life_->opened, absl::OkStatus());
  EXPECT_THAT(ReadAll(), ElementsAre("1 a", "2 b"));
}

TEST_F(JournalTest, AStorageWithoutOneGetsAnotherEpoch) {
  const std::string epoch = journal().epoch();
  EXPECT_EQ(epoch.size(), Cursor::kEpochDigits);
  TestedMemory other;
  EXPECT_NE(Life(&other, &clock_, retention_).journal.epoch(), epoch);
}

TEST_F(JournalTest, ABatchOfAnySizeIsReadWhole) {
  const std::vector<std::string> paths(300, "p");
  ASSERT_EQ(Commit(paths, 1000), absl::OkStatus());
  EXPECT_EQ(ReadAll().size(), 300u);
  EXPECT_EQ(ReadAll(150).size(), 150u);
  Restart();
  EXPECT_EQ(ReadAll(150).size(), 150u);
}

TEST_F(JournalTest, TheListenerIsCalledAfterEachWrite) {
  std::vector<std::uint64_t> ends;
  journal().OnMore([&] { ends.push_back(journal().Kept().last); });
  ASSERT_EQ(Commit({"a", "b"}), absl::OkStatus());
  ASSERT_EQ(Commit({"c"}), absl::OkStatus());
  EXPECT_THAT(ends, ElementsAre(2, 3));
}

TEST_F(JournalTest, BeyondItsBytesTheOldestAreDeletedAndThePlaceOfTheRestStays) {
  retention_.max_bytes = 100'000;
  Restart();
  WriteUntilDeleted();
  const Journal::Range kept = journal().Kept();
  EXPECT_GT(kept.first, 1u);
  const std::vector<std::string> all = ReadAll();
  EXPECT_EQ(all.size(), kept.last - kept.first + 1);
  EXPECT_EQ(all.front(), std::to_string(kept.first) + " p");
  // Nothing of them is stored.
  std::size_t bytes = 0;
  const std::vector<storage::Entry> stored = *physical_.Scan(kBlocks, "", 10'000);
  for (const storage::Entry& entry : stored) bytes += entry.value.size();
  EXPECT_LE(bytes, retention_.max_bytes);
  EXPECT_EQ(static_cast<std::size_t>(life_->metrics->GetGauge("belfry_journal_bytes", "").Value()),
            bytes);
  Restart();
  EXPECT_EQ(life_->opened, absl::OkStatus());
  EXPECT_EQ(ReadAll(), all);
}

TEST_F(JournalTest, WhatIsTooOldIsDeleted) {
  retention_.max_age = absl::Hours(16);
  Restart();
  for (int hour = 0; hour < 3; ++hour) {
    ASSERT_EQ(Commit({std::to_string(hour), "p"}), absl::OkStatus());
    clock_.Advance(absl::Hours(1));
  }
  ASSERT_EQ(Commit({"last"}), absl::OkStatus());
  ASSERT_EQ(ReadAll().size(), 7u);
  clock_.Advance(absl::Hours(14) + absl::Minutes(1));
  life_->TrimNow();
  EXPECT_THAT(ReadAll(), ElementsAre("5 2", "6 p", "7 last"));
}

TEST_F(JournalTest, WhenAllButTheEndIsTooOldTheNextEventStillHasTheNextPlace) {
  retention_.max_age = absl::Hours(16);
  Restart();
  for (int i = 0; i < 5; ++i) {
    ASSERT_EQ(Commit({"p"}), absl::OkStatus());
    clock_.Advance(absl::Hours(2));
  }
  clock_.Advance(absl::Hours(1000));
  life_->TrimNow();
  Restart();
  ASSERT_EQ(life_->opened, absl::OkStatus());
  ASSERT_EQ(Commit({"next"}), absl::OkStatus());
  EXPECT_EQ(ReadAll().back(), "6 next");
}

// Two threads may bring them in the other order, and a crash may come between them.
TEST_F(JournalTest, ADeletionThatIsLostLeavesNoHoleBehindTheNextOne) {
  retention_.max_age = absl::Hours(16);
  Restart();
  for (int i = 0; i < 8; ++i) {
    ASSERT_EQ(Commit({"p"}), absl::OkStatus());
    clock_.Advance(absl::Hours(2));
  }
  // Two events a segment.
  ASSERT_TRUE(journal().TakeExpired(kStart + absl::Hours(19)));
  ASSERT_EQ(journal().Kept().first, 3u);
  std::optional<storage::WriteBatch> next = journal().TakeExpired(kStart + absl::Hours(23));
  ASSERT_TRUE(next);
  ASSERT_EQ(CommitAndWait(*life_->storage, *std::move(next)), absl::OkStatus());
  Restart();
  ASSERT_EQ(life_->opened, absl::OkStatus());
  EXPECT_THAT(ReadAll(), ElementsAre("5 p", "6 p", "7 p", "8 p"));
  EXPECT_EQ(journal().Kept().first, 5u);
}

TEST_F(JournalTest, DamageIsFoundAtTheStartOrWhereItIsRead) {
  retention_.max_bytes = 1'000'000;
  struct Case {
    const char* prefix;
    std::size_t index;
    bool remove;
  };
  for (const auto& [prefix, index, remove] :
       {Case{kBlocks, 3, true}, Case{kBlocks, 3, false}, Case{kSegments, 1, true},
        Case{kSegments, 0, false}, Case{kBlocks, 990, true}, Case{kBlocks, 990, false}}) {
    TestedMemory fresh;
    Life life(&fresh, &clock_, retention_);
    for (int i = 0; i < 1000; ++i) {
      storage::WriteBatch batch;
      batch.events.push_back({.accepted = kStart, .bytes = std::string(300, 'b'), .path = "p"});
      ASSERT_EQ(CommitAndWait(*life.storage, std::move(batch)), absl::OkStatus());
    }
    storage::Entry entry = fresh.Scan(prefix, "", index + 1)->at(index);
    storage::WriteBatch spoilt;
    if (remove) {
      spoilt.Delete(entry.key);
    } else {
      spoilt.Put(entry.key, entry.value.substr(0, entry.value.size() / 2));
    }
    storage::WriteBatch* const one = &spoilt;
    ASSERT_EQ(fresh.Write({&one, 1}), absl::OkStatus());

    Life next(&fresh, &clock_, retention_);
    absl::Status status = next.opened;
    for (std::uint64_t after = 0; status.ok() && after < 1000;) {
      const auto blocks = next.journal.Read(after);
      status = blocks.status();
      if (blocks.ok() && !blocks->empty()) after = blocks->back()->last();
    }
    EXPECT_TRUE(absl::IsDataLoss(status)) << prefix << " " << index << " " << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr("restore a copy of the storage"));
  }
}

}  // namespace
}  // namespace belfry::journal
