#include "server/seal/barrier.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "server/seal/places.h"
#include "server/seal/testing.h"
#include "server/storage/committer.h"
#include "server/storage/storage.h"

namespace belfry::seal {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::UnorderedElementsAre;
using ::testing::UnorderedElementsAreArray;

const absl::Time kStart = absl::FromUnixSeconds(1'795'873'033);
constexpr std::uint64_t kAhead = 65'536;

class BarrierTest : public ::testing::Test {
 protected:
  BarrierTest() { barrier_.Unseal(Keyring(kStart), root_key_.Copy()); }

  void Put(const std::string& key, const std::string& value) {
    ASSERT_EQ(PutOne(barrier_, key, value), absl::OkStatus());
  }
  std::optional<std::string> Get(std::string_view key) { return *barrier_.Get(key); }
  absl::StatusCode CodeOf(std::string_view key) { return barrier_.Get(key).status().code(); }

  // As after a restart: with what is stored.
  void Reopen() {
    const absl::StatusOr<Keyring> keyring = Keyring::Open(**below_.Get(kKeyring), root_key_);
    ASSERT_TRUE(keyring.ok()) << keyring.status();
    barrier_.Seal();
    barrier_.Unseal(*keyring, root_key_.Copy());
  }

  // The name below of the first entry.
  std::string NameBelow() { return below_.Scan(kData, "", 1)->at(0).key; }

  std::vector<std::string> ScanAll(std::string_view prefix, std::size_t page) {
    std::vector<std::string> found;
    std::string after;
    for (;;) {
      const auto entries = barrier_.Scan(prefix, after, page);
      EXPECT_TRUE(entries.ok()) << entries.status();
      for (const storage::Entry& entry : *entries) found.push_back(entry.key + "=" + entry.value);
      if (entries->size() < page) return found;
      after = entries->back().key;
    }
  }

  const SecretBytes root_key_ = SecretBytes::Random(32);
  FakeClock clock_{kStart};
  OpenStorage below_;
  Barrier barrier_{&below_, &clock_};
};

TEST_F(BarrierTest, WhatWasPutIsReadBackAsBytes) {
  const std::string bytes("\0\xff\n", 3);
  Put("a/b", bytes);
  Put("a/empty", "");
  EXPECT_EQ(Get("a/b"), bytes);
  EXPECT_EQ(Get("a/empty"), "");
  EXPECT_EQ(Get("a/c"), std::nullopt);
  storage::WriteBatch batch;
  batch.Delete("a/b");
  ASSERT_EQ(WriteOne(barrier_, std::move(batch)), absl::OkStatus());
  EXPECT_EQ(Get("a/b"), std::nullopt);
}

TEST_F(BarrierTest, NothingOfNamesAndValuesIsFoundBelow) {
  Put("secret/production/database", "hunter2-is-planted");
  Put("sys/policy/payroll-admins", "path \"secret/production/*\" {}");
  for (const char* planted :
       {"secret", "production", "database", "hunter2", "planted", "policy", "payroll", "path \""}) {
    EXPECT_THAT(below_.Bytes(), Not(HasSubstr(planted)));
  }
}

TEST_F(BarrierTest, TheSameValueNeverLooksTheSame) {
  Put("a", "value");
  const std::string first = **below_.Get(NameBelow());
  Put("a", "value");
  EXPECT_NE(**below_.Get(NameBelow()), first);
}

TEST_F(BarrierTest, ListIsThatOfAStorageInTheClear) {
  const std::vector<std::string> keys = {"a",  "b/1",   "b/2", "b/c/3", "b0",
                                         "b-", "c/d/e", "x/",  "y//z",  "b/c"};
  for (const std::string& key : keys) Put(key, "v");
  EXPECT_THAT(*barrier_.List(""), ElementsAre("a", "b-", "b/", "b0", "c/", "x/", "y/"));
  EXPECT_THAT(*barrier_.List("b/"), ElementsAre("1", "2", "c", "c/"));
  EXPECT_THAT(*barrier_.List("y/"), ElementsAre("/"));
  EXPECT_THAT(*barrier_.List("nope/"), IsEmpty());
  OpenStorage clear;
  for (const std::string& key : keys) ASSERT_EQ(PutOne(clear, key, "v"), absl::OkStatus());
  for (const char* prefix : {"", "b/", "b/c/", "c/", "c/d/", "x/", "y/", "y//", "nope/", "b", "no"})
    EXPECT_EQ(*barrier_.List(prefix), *clear.List(prefix)) << prefix;
}

TEST_F(BarrierTest, ScanVisitsEveryEntryOnceWhateverThePage) {
  for (const char* key : {"p/a", "p/b/c", "p/b/d/e", "p/f", "pq", "q/a", "p/b/"}) Put(key, key);
  for (const std::size_t page : {1, 2, 3, 100}) {
    EXPECT_THAT(ScanAll("p/", page), UnorderedElementsAre("p/a=p/a", "p/b/c=p/b/c", "p/f=p/f",
                                                          "p/b/d/e=p/b/d/e", "p/b/=p/b/"))
        << page;
    EXPECT_EQ(ScanAll("", page).size(), 7u);
  }
  EXPECT_THAT(ScanAll("nope/", 10), IsEmpty());
  EXPECT_EQ(barrier_.Scan("p", "", 1).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(BarrierTest, AScanGoesOnAlsoAfterAKeyThatIsGone) {
  for (const char* key : {"p/a", "p/b", "p/c"}) Put(key, "v");
  const std::string first = barrier_.Scan("p/", "", 1)->at(0).key;
  storage::WriteBatch batch;
  batch.Delete(first);
  ASSERT_EQ(WriteOne(barrier_, std::move(batch)), absl::OkStatus());
  EXPECT_EQ(barrier_.Scan("p/", first, 10)->size(), 2u);
}

TEST_F(BarrierTest, SealedEverythingIsUnavailable) {
  Put("a", "v");
  barrier_.Seal();
  EXPECT_TRUE(barrier_.sealed());
  const absl::Status sealed = absl::UnavailableError("Vault is sealed");
  EXPECT_EQ(barrier_.Get("a").status(), sealed);
  EXPECT_EQ(barrier_.List("").status(), sealed);
  EXPECT_EQ(barrier_.Scan("", "", 1).status(), sealed);
  EXPECT_EQ(PutOne(barrier_, "a", "w"), sealed);
  EXPECT_EQ(barrier_.Rotate(), sealed);
  EXPECT_EQ(barrier_.Status().status(), sealed);
  EXPECT_EQ(barrier_.Rotation().status(), sealed);
  EXPECT_EQ(barrier_.SetRotation({}), sealed);
  EXPECT_EQ(barrier_.SetRootKey(SecretBytes::Random(32), {}), sealed);
}

TEST_F(BarrierTest, WhatWasStoredIsReadAfterSealingAndUnsealing) {
  Put("a/b", "v");
  Reopen();
  EXPECT_FALSE(barrier_.sealed());
  EXPECT_EQ(Get("a/b"), "v");
  EXPECT_THAT(*barrier_.List(""), ElementsAre("a/"));
}

TEST_F(BarrierTest, EveryFlippedBitOfAValueIsDataLoss) {
  Put("a", "secret");
  const std::string name = NameBelow();
  const std::string value = **below_.Get(name);
  for (std::size_t bit = 0; bit < 8 * value.size(); ++bit) {
    std::string changed = value;
    changed[bit / 8] ^= static_cast<char>(1 << bit % 8);
    below_.Set(name, changed);
    ASSERT_EQ(CodeOf("a"), absl::StatusCode::kDataLoss) << bit;
    ASSERT_EQ(barrier_.Scan("", "", 1).status().code(), absl::StatusCode::kDataLoss) << bit;
  }
  for (std::size_t size = 0; size < value.size(); ++size) {
    below_.Set(name, value.substr(0, size));
    ASSERT_EQ(CodeOf("a"), absl::StatusCode::kDataLoss) << size;
  }
  below_.Set(name, value);
  EXPECT_EQ(Get("a"), "secret");
}

TEST_F(BarrierTest, EveryFlippedBitOfANameIsDataLossOrNoSuchKey) {
  Put("f/a", "secret");
  const std::string name = NameBelow();
  const std::string value = **below_.Get(name);
  below_.Set(name, std::nullopt);
  for (std::size_t bit = 8 * kData.size(); bit < 8 * name.size(); ++bit) {
    std::string changed = name;
    changed[bit / 8] ^= static_cast<char>(1 << bit % 8);
    below_.Set(changed, value);
    ASSERT_EQ(Get("f/a"), std::nullopt) << bit;
    ASSERT_EQ(barrier_.Scan("", "", 1).status().code(), absl::StatusCode::kDataLoss) << bit;
    below_.Set(changed, std::nullopt);
  }
}

TEST_F(BarrierTest, AValueMovedToAnotherKeyIsDataLoss) {
  Put("a", "of a");
  const std::string name = NameBelow();
  const std::string of_a = **below_.Get(name);
  below_.Set(name, std::nullopt);
  Put("b", "of b");
  below_.Set(NameBelow(), of_a);
  const absl::Status status = barrier_.Get("b").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("\"b\""), HasSubstr("restore a copy of it")));
}

TEST_F(BarrierTest, AnotherTermsHeaderOnAValueIsDataLoss) {
  Put("a", "v");
  ASSERT_EQ(barrier_.Rotate(), absl::OkStatus());
  const std::string name = NameBelow();
  std::string value = **below_.Get(name);
  ASSERT_EQ(value[4], 1);
  for (const char term : {0, 2, 3}) {
    value[4] = term;
    below_.Set(name, value);
    EXPECT_EQ(CodeOf("a"), absl::StatusCode::kDataLoss) << int{term};
  }
}

TEST_F(BarrierTest, OldTermsStayReadableAndNamesAreFoundUnderAllTerms) {
  Put("a", "1");
  for (int i = 0; i < 3; ++i) ASSERT_EQ(barrier_.Rotate(), absl::OkStatus());
  EXPECT_EQ(Get("a"), "1");
  Put("a", "2");
  Put("b", "3");
  EXPECT_EQ(barrier_.Status()->term, 4u);
  Reopen();
  EXPECT_EQ(barrier_.Status()->term, 4u);
  EXPECT_EQ(Get("a"), "2");
  EXPECT_THAT(*barrier_.List(""), ElementsAre("a", "b"));
}

TEST_F(BarrierTest, ARotationThatCannotBeStoredChangesNothing) {
  Put("a", "1");
  below_.refuse_writes = true;
  EXPECT_EQ(barrier_.Rotate(), absl::UnavailableError("the disk is full"));
  EXPECT_EQ(barrier_.SetRotation({.max_operations = 1'000'000}),
            absl::UnavailableError("the disk is full"));
  below_.refuse_writes = false;
  EXPECT_EQ(barrier_.Status()->term, 1u);
  EXPECT_EQ(barrier_.Rotation()->max_operations, RotationConfig::kMostOperations);
  Put("b", "2");
  Reopen();
  EXPECT_EQ(Get("a"), "1");
  EXPECT_EQ(Get("b"), "2");
}

TEST_F(BarrierTest, ABatchIsOneWriteBelowAlsoWhenTheKeyringGoesWithIt) {
  storage::WriteBatch batch;
  batch.Put("a", "1");
  batch.Put("b", "2");
  batch.events.push_back({.type = "changed"});
  storage::WriteBatch other;
  other.Delete("a");
  const std::vector<storage::WriteBatch*> both = {&batch, &other};
  ASSERT_EQ(barrier_.Write(both), absl::OkStatus());
  EXPECT_EQ(below_.writes, 1);
  EXPECT_EQ(Get("a"), std::nullopt);
  EXPECT_EQ(Get("b"), "2");
  EXPECT_EQ(batch.events.at(0).type, "changed");
  EXPECT_TRUE(below_.Get(kKeyring)->has_value());
}

TEST_F(BarrierTest, EncryptionsAreCountedAndACrashForgetsNone) {
  for (int i = 0; i < 5; ++i) Put("a", "v");
  EXPECT_EQ(barrier_.Status()->encryptions, 5u);
  Reopen();
  const std::uint64_t stored = barrier_.Status()->encryptions;
  EXPECT_GE(stored, 5u);
  EXPECT_LE(stored, 5 + kAhead);
  Put("a", "v");
  Reopen();
  EXPECT_GT(barrier_.Status()->encryptions, stored);
}

TEST_F(BarrierTest, WhatOneTermMayEncryptIsBounded) {
  ASSERT_EQ(barrier_.SetRotation({.max_operations = 1'000'000}), absl::OkStatus());
  for (std::uint64_t restarts = 0; barrier_.Status()->term == 1; ++restarts) {
    ASSERT_LE(restarts, 1'000'000 / kAhead + 1);
    EXPECT_LE(barrier_.Status()->encryptions, 1'000'000u);
    Put("a", std::to_string(restarts));
    Reopen();
  }
  EXPECT_EQ(barrier_.Status()->term, 2u);
  EXPECT_LE(barrier_.Status()->encryptions, 1 + kAhead);
}

TEST_F(BarrierTest, AnIntervalRotatesWithTheNextWrite) {
  ASSERT_EQ(barrier_.SetRotation({.interval = absl::Hours(24)}), absl::OkStatus());
  clock_.Advance(absl::Hours(24) - absl::Seconds(1));
  Put("a", "1");
  EXPECT_EQ(barrier_.Status()->term, 1u);
  clock_.Advance(absl::Seconds(1));
  Put("b", "2");
  EXPECT_EQ(barrier_.Status()->term, 2u);
  EXPECT_EQ(barrier_.Status()->installed, clock_.Now());
  EXPECT_EQ(barrier_.Status()->encryptions, 1u);
  Reopen();
  EXPECT_EQ(barrier_.Rotation()->interval, absl::Hours(24));
  EXPECT_EQ(Get("a"), "1");
  EXPECT_EQ(Get("b"), "2");
}

TEST_F(BarrierTest, DisabledItRotatesOnlyWhenAsked) {
  ASSERT_EQ(barrier_.SetRotation({.enabled = false, .interval = absl::Hours(24)}),
            absl::OkStatus());
  clock_.Advance(absl::Hours(100));
  Put("a", "1");
  EXPECT_EQ(barrier_.Status()->term, 1u);
  ASSERT_EQ(barrier_.Rotate(), absl::OkStatus());
  EXPECT_EQ(barrier_.Status()->term, 2u);
}

TEST_F(BarrierTest, ANewRootKeySealsTheKeyringTogetherWithWhatIsWrittenBesideIt) {
  Put("a", "1");
  SecretBytes fresh = SecretBytes::Random(32);
  storage::WriteBatch with;
  with.Put(std::string(kSealConfiguration), "in the clear");
  ASSERT_EQ(barrier_.SetRootKey(fresh.Copy(), std::move(with)), absl::OkStatus());
  EXPECT_EQ(below_.Get(kSealConfiguration)->value(), "in the clear");
  EXPECT_FALSE(Keyring::Open(**below_.Get(kKeyring), root_key_).ok());
  ASSERT_EQ(barrier_.Rotate(), absl::OkStatus());
  const absl::StatusOr<Keyring> keyring = Keyring::Open(**below_.Get(kKeyring), fresh);
  ASSERT_TRUE(keyring.ok());
  barrier_.Seal();
  barrier_.Unseal(*keyring, std::move(fresh));
  EXPECT_EQ(Get("a"), "1");
}

// Rotates and overwrites between the beginning of a read and the read of the storage below.
class BarrierReadTest : public BarrierTest {
 protected:
  void ChangeBeforeTheNextRead() {
    below_.before_next_read = [this] {
      ASSERT_EQ(barrier_.Rotate(), absl::OkStatus());
      Put("a/b", "new");
    };
  }
};

TEST_F(BarrierReadTest, AValueOfATermThatHasBegunMeanwhileIsFound) {
  Put("a/b", "old");
  ChangeBeforeTheNextRead();
  EXPECT_EQ(**barrier_.Get("a/b"), "new");
}

TEST_F(BarrierReadTest, AScanFindsItToo) {
  Put("a/b", "old");
  ChangeBeforeTheNextRead();
  const auto entries = barrier_.Scan("a/", "", 10);
  ASSERT_EQ(entries.status(), absl::OkStatus());
  EXPECT_EQ(entries->front().value, "new");
}

TEST_F(BarrierReadTest, SealedMeanwhileItIsSealed) {
  Put("a/b", "old");
  below_.before_next_read = [this] { barrier_.Seal(); };
  EXPECT_EQ(barrier_.Get("a/b").status(), absl::UnavailableError("Vault is sealed"));
}

TEST_F(BarrierTest, WhoReadsDuringRotationsAlwaysSeesTheValue) {
  Put("a", "0");
  std::atomic<bool> stop = false;
  std::thread reader([&] {
    while (!stop) ASSERT_TRUE(barrier_.Get("a").ok()) << barrier_.Get("a").status();
  });
  std::thread rotator([&] {
    for (int i = 0; i < 20; ++i) ASSERT_EQ(barrier_.Rotate(), absl::OkStatus());
  });
  for (int i = 0; i < 200; ++i) Put("a", std::to_string(i));
  rotator.join();
  stop = true;
  reader.join();
  EXPECT_EQ(barrier_.Status()->term, 21u);
}

TEST_F(BarrierTest, SealingInTheMiddleOfWorkIsSafe) {
  std::thread sealer([&] { barrier_.Seal(); });
  for (int i = 0; i < 100; ++i) {
    const absl::Status status = PutOne(barrier_, "a", "v");
    const auto value = barrier_.Get("a");
    EXPECT_TRUE(status.ok() || status == absl::UnavailableError("Vault is sealed")) << status;
    EXPECT_TRUE(!value.ok() || *value == "v");
  }
  sealer.join();
  EXPECT_EQ(barrier_.Get("a").status(), absl::UnavailableError("Vault is sealed"));
}

// Random keys of few characters, so that many are folders of others. What OpenStorage holds in the
// clear is the model.
TEST_F(BarrierTest, AfterAnyWritesItHoldsWhatAStorageInTheClearHolds) {
  std::mt19937 random(1);
  const auto text = [&random](std::size_t most) {
    std::string key;
    for (auto length = random() % most; length > 0; --length) key += "/ab\xff"[random() % 4];
    return key;
  };
  OpenStorage clear;
  for (int round = 0; round < 300; ++round) {
    storage::WriteBatch batch;
    for (auto left = random() % 8; left > 0; --left) {
      const std::string key = "k" + text(6);
      if (random() % 3 == 0) {
        batch.Delete(key);
      } else {
        batch.Put(key, std::to_string(round));
      }
    }
    ASSERT_EQ(WriteOne(clear, batch), absl::OkStatus());
    ASSERT_EQ(WriteOne(barrier_, std::move(batch)), absl::OkStatus());
    if (round % 50 == 0) {
      ASSERT_EQ(barrier_.Rotate(), absl::OkStatus());
    }
    const std::string key = "k" + text(6);
    ASSERT_EQ(*barrier_.Get(key), *clear.Get(key)) << key;
    ASSERT_EQ(*barrier_.List(key + "/"), *clear.List(key + "/")) << key;
    std::vector<std::string> expected;
    const std::vector<storage::Entry> below = *clear.Scan(key + "/", "", 1'000'000);
    for (const storage::Entry& entry : below) expected.push_back(entry.key + "=" + entry.value);
    ASSERT_THAT(ScanAll(key + "/", 1 + random() % 5), UnorderedElementsAreArray(expected)) << key;
  }
}

TEST_F(BarrierTest, UnderACommitterItIsAStorageLikeAnyOther) {
  const std::unique_ptr<storage::Storage> storage = storage::NewCommitter(&barrier_, nullptr);
  const std::unique_ptr<storage::Storage> view = storage::NewView(storage.get(), "p/");
  storage::WriteBatch batch;
  for (int i = 0; i < 2500; ++i) batch.Put("k/" + std::to_string(i), std::to_string(i));
  batch.Put("other", "");
  ASSERT_EQ(storage::CommitAndWait(*view, std::move(batch)), absl::OkStatus());
  int visited = 0;
  EXPECT_EQ(storage::ForEach(*view, "k/",
                             [&visited](const storage::Entry& entry) {
                               EXPECT_EQ(entry.key, "k/" + entry.value);
                               ++visited;
                               return absl::OkStatus();
                             }),
            absl::OkStatus());
  EXPECT_EQ(visited, 2500);
  ASSERT_EQ(storage::DeleteAll(*view, "k/"), absl::OkStatus());
  EXPECT_THAT(*view->List(""), ElementsAre("other"));
}

}  // namespace
}  // namespace belfry::seal
