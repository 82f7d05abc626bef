#include "server/access/token_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <future>
#include <thread>

#include "base/mutex.h"
#include "server/access/testing.h"
#include "server/access/token_record.h"
#include "server/storage/testing.h"

namespace belfry::access {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

class TokenStoreTest : public ::testing::Test {
 protected:
  TokenStoreTest() {
    Open();
    root_ = (*store_->CreateRoot("root"))->entry;
  }

  void Open() {
    store_.reset();
    auto opened = TokenStore::Open(&gate_, &clock_, [this](const TokenEntry& token) {
      MutexLock lock(&mutex_);
      told_.push_back(token.id);
    });
    ASSERT_TRUE(opened.ok()) << opened.status();
    store_ = *std::move(opened);
  }

  // The secret of a new token.
  std::string Create(const TokenEntry& creator, TokenRequest request = {}) {
    if (request.policies.empty()) request.policies = {"a"};
    absl::StatusOr<PlannedToken> planned = PlanToken(creator, CreatorRights::kSudo, request);
    EXPECT_TRUE(planned.ok()) << planned.status();
    if (!planned.ok()) return "";
    const auto created = store_->Create(&*planned);
    EXPECT_TRUE(created.ok()) << created.status();
    return planned->secret;
  }
  TokenEntry EntryOf(const std::string& secret) {
    const auto found = store_->Find(secret);
    EXPECT_NE(found, nullptr);
    return found ? found->entry : TokenEntry{};
  }
  std::vector<std::string> Told() {
    MutexLock lock(&mutex_);
    return told_;
  }
  bool Lasts(const std::string& secret) { return store_->Find(secret) != nullptr; }
  std::shared_ptr<const void> Watch(const std::string& secret) {
    return store_->Watch(EntryOf(secret).id,
                         [this, secret](TokenEnd end) { ended_.emplace_back(secret, end); });
  }

  // Runs `change` on another thread and, while its batch is held back, `meanwhile`, which must not
  // wait for it.
  void WhileHeldBack(std::function<void()> change, std::function<void()> meanwhile) {
    gate_.Close();
    std::thread changing(std::move(change));
    gate_.Await();
    const std::future<void> done = std::async(std::launch::async, std::move(meanwhile));
    EXPECT_EQ(done.wait_for(std::chrono::seconds(60)), std::future_status::ready);
    gate_.Open();
    changing.join();
  }

  storage::FaultyStorage storage_;
  GatedStorage gate_{&storage_};  // Over storage_.
  // Tokens end on several threads.
  Mutex mutex_;
  std::vector<std::string> told_ ABSL_GUARDED_BY(mutex_);  // The ids of those that have ended.
  FakeClock clock_{absl::FromUnixSeconds(1'795'413'461)};
  std::unique_ptr<TokenStore> store_;
  TokenEntry root_;
  std::vector<std::pair<std::string, TokenEnd>> ended_;
};

TEST_F(TokenStoreTest, FindsATokenByItsSecretAndByItsAccessor) {
  const std::string secret = Create(root_, {.ttl = absl::Hours(1)});
  EXPECT_TRUE(secret.starts_with("hvs."));
  EXPECT_EQ(secret.size(), 95u);
  const TokenEntry entry = EntryOf(secret);
  EXPECT_EQ(entry.accessor.size(), 24u);
  EXPECT_EQ(entry.created, clock_.Now());
  EXPECT_EQ(entry.expires, clock_.Now() + absl::Hours(1));
  ASSERT_NE(store_->FindByAccessor(entry.accessor), nullptr);
  EXPECT_EQ(store_->FindByAccessor(entry.accessor)->entry.id, entry.id);
  EXPECT_EQ(store_->FindByAccessor(secret), nullptr);
  EXPECT_FALSE(Lasts(entry.accessor));
  EXPECT_FALSE(Lasts(entry.id));
  EXPECT_FALSE(Lasts(""));
  EXPECT_THAT(store_->Accessors(), UnorderedElementsAre(root_.accessor, entry.accessor));
}

TEST_F(TokenStoreTest, NoSecretIsStored) {
  const std::string secret = Create(root_);
  std::string everything;
  const std::vector<storage::Entry> entries = *storage_.Scan("", "", 100);
  for (const storage::Entry& entry : entries) {
    everything += entry.key;
    everything += entry.value;
  }
  EXPECT_THAT(everything, ::testing::HasSubstr(EntryOf(secret).id));
  EXPECT_THAT(everything, ::testing::Not(::testing::HasSubstr(secret)));
  EXPECT_THAT(everything, ::testing::Not(::testing::HasSubstr(secret.substr(4))));
}

TEST_F(TokenStoreTest, ASecretIsTakenOnce) {
  Create(root_, {.id = "mine"});
  auto planned = PlanToken(root_, CreatorRights::kSudo, {.id = "mine", .policies = {"a"}});
  ASSERT_TRUE(planned.ok());
  EXPECT_EQ(store_->Create(&*planned).status(),
            absl::InvalidArgumentError("cannot create a token with a duplicate ID"));
}

TEST_F(TokenStoreTest, ATokenEndsWhenItsTimeIsOver) {
  const std::string secret = Create(root_, {.ttl = absl::Hours(1)});
  const auto watch = Watch(secret);
  const auto life = store_->Find(secret)->life;
  EXPECT_EQ(store_->ExpireDue(), clock_.Now() + absl::Hours(1));
  clock_.Advance(absl::Hours(1) - absl::Nanoseconds(1));
  EXPECT_TRUE(life->Lasts(clock_.Now()));
  EXPECT_TRUE(Lasts(secret));
  clock_.Advance(absl::Nanoseconds(1));
  // Whoever asks its life need not wait until the store looks.
  EXPECT_FALSE(life->Lasts(clock_.Now()));
  EXPECT_THAT(ended_, IsEmpty());
  EXPECT_EQ(store_->ExpireDue(), absl::InfiniteFuture());
  EXPECT_THAT(ended_, ElementsAre(std::pair(secret, TokenEnd::kExpired)));
  EXPECT_FALSE(Lasts(secret));
  EXPECT_TRUE(Lasts("root"));
}

TEST_F(TokenStoreTest, RevocationTakesAllDescendantsAndTellsTheirWatchers) {
  const std::string parent = Create(root_);
  const std::string child = Create(EntryOf(parent));
  const std::string grandchild = Create(EntryOf(child));
  const std::string sibling = Create(root_);
  const std::string orphan = Create(EntryOf(parent), {.no_parent = true});
  const auto watch = Watch(grandchild);
  const auto other = Watch(sibling);
  const auto life = store_->Find(grandchild)->life;
  ASSERT_EQ(store_->Revoke(EntryOf(parent).id), absl::OkStatus());
  EXPECT_THAT(ended_, ElementsAre(std::pair(grandchild, TokenEnd::kParentRevoked)));
  EXPECT_FALSE(life->Lasts(clock_.Now()));
  EXPECT_FALSE(Lasts(parent));
  EXPECT_FALSE(Lasts(child));
  EXPECT_FALSE(Lasts(grandchild));
  EXPECT_TRUE(Lasts(sibling));
  EXPECT_TRUE(Lasts(orphan));
  EXPECT_EQ(store_->Revoke("gone"), absl::OkStatus());
}

TEST_F(TokenStoreTest, WhatWasMadeBelowAPathEndsWithItsChildren) {
  absl::StatusOr<PlannedToken> planned =
      PlanLogin({.path = "auth/up/login/alice", .policies = {"a"}}, absl::ZeroDuration());
  ASSERT_TRUE(planned.ok() && store_->Create(&*planned).ok());
  const std::string child = Create(EntryOf(planned->secret));
  const std::string other = Create(root_);
  EXPECT_TRUE(store_->RevokeMadeBelow("auth/up/").ok());
  EXPECT_FALSE(Lasts(planned->secret));
  EXPECT_FALSE(Lasts(child));
  EXPECT_TRUE(Lasts(other));
}

TEST_F(TokenStoreTest, RevokingOnlyTheParentMakesOrphans) {
  const std::string parent = Create(root_, {.ttl = absl::Hours(1)});
  const std::string child = Create(EntryOf(parent), {.ttl = absl::Hours(2)});
  EXPECT_FALSE(EntryOf(child).orphan());
  ASSERT_EQ(store_->RevokeOrphan(EntryOf(parent).id), absl::OkStatus());
  EXPECT_FALSE(Lasts(parent));
  EXPECT_TRUE(EntryOf(child).orphan());
  clock_.Advance(absl::Minutes(90));
  EXPECT_TRUE(Lasts(child));
  Open();
  EXPECT_TRUE(Lasts(child));
}

TEST_F(TokenStoreTest, AChildEndsWithItsParentAtTheLatest) {
  const std::string parent = Create(root_, {.ttl = absl::Hours(1)});
  const std::string child = Create(EntryOf(parent), {.ttl = absl::Hours(9)});
  const auto life = store_->Find(child)->life;
  ASSERT_TRUE(store_->Renew(EntryOf(parent).id, absl::Hours(2)).ok());
  clock_.Advance(absl::Minutes(90));
  EXPECT_TRUE(life->Lasts(clock_.Now()));
  clock_.Advance(absl::Minutes(30));
  EXPECT_FALSE(life->Lasts(clock_.Now()));
  EXPECT_FALSE(Lasts(child));
}

TEST_F(TokenStoreTest, AParentThatIsGoneHasNoMoreChildren) {
  const std::string parent = Create(root_);
  auto planned = PlanToken(EntryOf(parent), CreatorRights::kSudo, {.policies = {"a"}});
  ASSERT_TRUE(planned.ok());
  ASSERT_EQ(store_->Revoke(EntryOf(parent).id), absl::OkStatus());
  EXPECT_EQ(store_->Create(&*planned).status(),
            absl::InvalidArgumentError("parent token lookup failed: no parent found"));
}

TEST_F(TokenStoreTest, TheLastUseEndsItWhenItIsDone) {
  const std::string secret = Create(root_, {.num_uses = 2});
  EXPECT_EQ((*store_->Use(secret))->entry.num_uses, 1);
  EXPECT_EQ(EntryOf(secret).num_uses, 1);
  Open();
  const auto watch = Watch(secret);
  const TokenStore::TokenPtr last = *store_->Use(secret);
  EXPECT_TRUE(last->entry.used_up());
  EXPECT_TRUE(last->life->Lasts(clock_.Now()));
  EXPECT_THAT(ended_, IsEmpty());
  // Only what it was spent for is still to happen.
  EXPECT_EQ(*store_->Use(secret), nullptr);
  EXPECT_FALSE(Lasts(secret));
  EXPECT_EQ(store_->Renew(last->entry.id, absl::ZeroDuration()).status(),
            absl::InvalidArgumentError("token not found"));
  ASSERT_EQ(store_->EndUsedUp(*last), absl::OkStatus());
  EXPECT_FALSE(last->life->Lasts(clock_.Now()));
  EXPECT_THAT(ended_, ElementsAre(std::pair(secret, TokenEnd::kUsedUp)));
  EXPECT_NE(*store_->Use("root"), nullptr);
  EXPECT_NE(*store_->Use("root"), nullptr);
}

TEST_F(TokenStoreTest, ATokenThatIsUsedUpLastsForAllThatItsUsesWereSpentFor) {
  for (const bool last_is_done_first : {true, false}) {
    const std::string secret = Create(root_, {.num_uses = 2});
    TokenStore::TokenPtr one = *store_->Use(secret);
    TokenStore::TokenPtr other = *store_->Use(secret);
    if (last_is_done_first) std::swap(one, other);
    EXPECT_FALSE(store_->FinishUse(*one));
    EXPECT_TRUE(other->life->Lasts(clock_.Now()));
    EXPECT_TRUE(store_->FinishUse(*other));
    ASSERT_EQ(store_->EndUsedUp(*other), absl::OkStatus());
    EXPECT_FALSE(one->life->Lasts(clock_.Now()));
  }
}

TEST_F(TokenStoreTest, AUseOfATokenThatHasEndedEndsNoOtherWithItsSecret) {
  const std::string secret = Create(root_, {.id = "its", .num_uses = 1});
  const TokenStore::TokenPtr ended = *store_->Use(secret);
  ASSERT_EQ(store_->Revoke(ended->entry.id), absl::OkStatus());
  EXPECT_FALSE(store_->FinishUse(*ended));
  Create(root_, {.id = "its", .num_uses = 1});
  const TokenStore::TokenPtr next = *store_->Use(secret);
  ASSERT_NE(next, nullptr);
  EXPECT_FALSE(store_->FinishUse(*ended));
  EXPECT_EQ(store_->EndUsedUp(*ended), absl::OkStatus());
  EXPECT_TRUE(next->life->Lasts(clock_.Now()));
  EXPECT_TRUE(store_->FinishUse(*next));
}

TEST_F(TokenStoreTest, ALastUseThatWasUnderWayIsOverAtTheNextStart) {
  const std::string secret = Create(root_, {.num_uses = 1});
  ASSERT_NE(*store_->Use(secret), nullptr);
  Open();
  EXPECT_FALSE(Lasts(secret));
  EXPECT_THAT(*storage_.List("id/"), ElementsAre(root_.id));
}

TEST_F(TokenStoreTest, EachTokenThatEndsIsToldToWhoeverListens) {
  const std::string parent = Create(root_, {.ttl = absl::Hours(1)});
  const std::string parent_id = EntryOf(parent).id;
  const std::string child_id = EntryOf(Create(EntryOf(parent))).id;
  const TokenStore::TokenPtr used = store_->Find(Create(root_, {.num_uses = 1}));
  const std::string used_id = used->entry.id;
  ASSERT_EQ(store_->EndUsedUp(*used), absl::OkStatus());
  EXPECT_THAT(Told(), ElementsAre(used_id));
  clock_.Advance(absl::Hours(1));
  store_->ExpireDue();
  EXPECT_THAT(Told(), ElementsAre(used_id, parent_id, child_id));
}

TEST_F(TokenStoreTest, WhatEndedBetweenTwoStartsIsToldAtTheSecond) {
  const std::string expired = Create(root_, {.ttl = absl::Hours(1)});
  const std::string expired_id = EntryOf(expired).id;
  const std::string child_id = EntryOf(Create(EntryOf(expired))).id;
  const std::string used = Create(root_, {.num_uses = 1});
  const std::string used_id = EntryOf(used).id;
  ASSERT_NE(*store_->Use(used), nullptr);
  const std::string revoked = Create(root_);
  const std::string revoked_id = EntryOf(revoked).id;
  const std::string stray_id = EntryOf(Create(EntryOf(revoked))).id;
  // As a process leaves it that ends in the middle of a revocation.
  ASSERT_EQ(storage::Delete(storage_, "id/" + revoked_id), absl::OkStatus());
  store_.reset();
  clock_.Advance(absl::Hours(1));
  EXPECT_THAT(Told(), IsEmpty());
  Open();
  EXPECT_THAT(Told(), UnorderedElementsAre(expired_id, child_id, used_id, stray_id));
}

TEST_F(TokenStoreTest, AnExpiryThatComesNearerIsTold) {
  std::vector<absl::Time> next;
  store_->OnEarlierExpiry([&next](absl::Time time) { next.push_back(time); });
  const absl::Time start = clock_.Now();
  const std::string first = Create(root_, {.ttl = absl::Hours(2)});
  Create(root_, {.ttl = absl::Hours(3)});
  Create(root_, {.policies = {"root"}});
  EXPECT_THAT(next, ElementsAre(start + absl::Hours(2)));
  ASSERT_TRUE(store_->Renew(EntryOf(first).id, absl::Hours(1)).ok());
  EXPECT_EQ(next.back(), start + absl::Hours(1));
}

TEST_F(TokenStoreTest, ARenewalIsKeptAcrossARestart) {
  const std::string secret = Create(root_, {.ttl = absl::Hours(1)});
  clock_.Advance(absl::Minutes(50));
  const auto renewed = store_->Renew(EntryOf(secret).id, absl::ZeroDuration());
  ASSERT_TRUE(renewed.ok());
  EXPECT_EQ(renewed->token->entry.expires, clock_.Now() + absl::Hours(1));
  EXPECT_EQ(renewed->token->entry.last_renewal, clock_.Now());
  Open();
  clock_.Advance(absl::Minutes(50));
  EXPECT_TRUE(Lasts(secret));
  clock_.Advance(absl::Minutes(10));
  EXPECT_FALSE(Lasts(secret));
  EXPECT_EQ(store_->Renew(root_.id, absl::ZeroDuration()).status(),
            absl::InvalidArgumentError("lease is not renewable"));
}

TEST_F(TokenStoreTest, WhatExpiredWhileTheServerWasDownIsGone) {
  const std::string parent = Create(root_, {.ttl = absl::Hours(1)});
  const std::string child = Create(EntryOf(parent), {.ttl = absl::Hours(2)});
  clock_.Advance(absl::Hours(1));
  Open();
  EXPECT_FALSE(Lasts(parent));
  EXPECT_FALSE(Lasts(child));
  EXPECT_THAT(*storage_.List("id/"), ElementsAre(root_.id));
}

TEST_F(TokenStoreTest, ARevocationThatStorageRefusesChangesNothing) {
  const std::string secret = Create(root_);
  const auto watch = Watch(secret);
  storage_.refuse_deletes = true;
  EXPECT_EQ(store_->Revoke(EntryOf(secret).id).code(), absl::StatusCode::kUnavailable);
  EXPECT_TRUE(Lasts(secret));
  EXPECT_THAT(ended_, IsEmpty());
}

TEST_F(TokenStoreTest, AUseThatCannotBeCountedIsNone) {
  const std::string secret = Create(root_, {.num_uses = 2});
  storage_.refuse_puts = true;
  EXPECT_EQ(store_->Use(secret).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(EntryOf(secret).num_uses, 2);
}

TEST_F(TokenStoreTest, AChildThatOutlivedItsParentOnStorageIsDroppedAtTheNextStart) {
  const std::string parent = Create(root_);
  const std::string child = Create(EntryOf(parent));
  // As after a crash between the two deletions.
  ASSERT_EQ(storage::Delete(storage_, "id/" + EntryOf(parent).id), absl::OkStatus());
  // Not even where it cannot be deleted is it a token.
  storage_.refuse_deletes = true;
  Open();
  EXPECT_FALSE(Lasts(child));
  storage_.refuse_deletes = false;
  Open();
  EXPECT_FALSE(Lasts(child));
  EXPECT_THAT(*storage_.List("id/"), ElementsAre(root_.id));
}

TEST_F(TokenStoreTest, AWatchThatWasDroppedHearsNothing) {
  const std::string secret = Create(root_);
  Watch(secret).reset();
  const std::string id = EntryOf(secret).id;
  ASSERT_EQ(store_->Revoke(id), absl::OkStatus());
  EXPECT_THAT(ended_, IsEmpty());
  EXPECT_EQ(store_->Watch(id, [](TokenEnd) {}), nullptr);
}

TEST_F(TokenStoreTest, TokensThatCannotBeReadKeepTheStoreShut) {
  ASSERT_EQ(storage::Put(storage_, "id/x", "{}"), absl::OkStatus());
  EXPECT_EQ(TokenStore::Open(&storage_, &clock_).status().code(), absl::StatusCode::kDataLoss);
}

TEST_F(TokenStoreTest, AnswersSeveralThreads) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([this] {
      for (int i = 0; i < 100; ++i) {
        const std::string secret = Create(root_, {.num_uses = 2});
        EXPECT_NE(*store_->Use(secret), nullptr);
        EXPECT_EQ(store_->Revoke(EntryOf(secret).id), absl::OkStatus());
        EXPECT_FALSE(Lasts(secret));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_THAT(store_->Accessors(), ElementsAre(root_.accessor));
}

TEST_F(TokenStoreTest, LookUpsDoNotWaitForStorage) {
  const std::string secret = Create(root_, {.ttl = absl::Hours(3)});
  const TokenEntry entry = EntryOf(secret);
  const std::string parent_id = EntryOf(Create(root_)).id;
  const std::string revoked_id = EntryOf(Create(root_)).id;
  const std::string limited = Create(root_, {.num_uses = 1});
  const TokenStore::TokenPtr limited_token = store_->Find(limited);
  Create(root_, {.ttl = absl::Hours(1)});
  clock_.Advance(absl::Hours(1));
  const std::vector<std::function<void()>> changes = {
      [&] { store_->ExpireDue(); },
      [&] { Create(root_); },
      [&] { EXPECT_TRUE(store_->Use(limited).ok()); },
      [&] { EXPECT_EQ(store_->EndUsedUp(*limited_token), absl::OkStatus()); },
      [&] { EXPECT_TRUE(store_->Renew(entry.id, absl::ZeroDuration()).ok()); },
      [&] { EXPECT_EQ(store_->RevokeOrphan(parent_id), absl::OkStatus()); },
      [&] { EXPECT_EQ(store_->Revoke(revoked_id), absl::OkStatus()); },
  };
  for (std::size_t i = 0; i < changes.size(); ++i) {
    SCOPED_TRACE(i);
    WhileHeldBack(changes[i], [&] {
      EXPECT_TRUE(Lasts(secret));
      EXPECT_NE(store_->FindByAccessor(entry.accessor), nullptr);
      EXPECT_THAT(store_->Accessors(), ::testing::Contains(entry.accessor));
      EXPECT_TRUE(store_->Knows(entry.id));
      EXPECT_NE(Watch(secret), nullptr);
      EXPECT_NE(*store_->Use(secret), nullptr);  // It may be used at will: nothing is stored.
    });
  }
}

TEST_F(TokenStoreTest, ATokenLastsUntilItsRevocationIsStored) {
  const std::string parent = Create(root_);
  const std::string child = Create(EntryOf(parent));
  std::shared_ptr<const void> watch;
  WhileHeldBack([&] { EXPECT_EQ(store_->Revoke(EntryOf(parent).id), absl::OkStatus()); },
                [&] {
                  EXPECT_TRUE(Lasts(parent));
                  watch = Watch(child);
                  EXPECT_NE(watch, nullptr);
                });
  // A watch that began meanwhile misses nothing.
  EXPECT_THAT(ended_, ElementsAre(std::pair(child, TokenEnd::kParentRevoked)));
  EXPECT_FALSE(Lasts(parent));
  EXPECT_FALSE(Lasts(child));
}

TEST_F(TokenStoreTest, AWatchMissesNoEnd) {
  for (int i = 0; i < 100; ++i) {
    const std::string id = EntryOf(Create(root_)).id;
    std::atomic<bool> called = false;
    std::shared_ptr<const void> watch;
    std::thread watching(
        [&] { watch = store_->Watch(id, [&called](TokenEnd) { called = true; }); });
    EXPECT_EQ(store_->Revoke(id), absl::OkStatus());
    watching.join();
    EXPECT_TRUE(watch == nullptr || called);
  }
}

TEST_F(TokenStoreTest, ASecondRevocationReturnsWhenTheWatchersOfTheFirstHaveBeenCalled) {
  for (int i = 0; i < 10; ++i) {
    const std::string parent = Create(root_);
    const std::string parent_id = EntryOf(parent).id;
    const std::string child_id = EntryOf(Create(EntryOf(parent))).id;
    std::promise<void> second_begins;
    std::atomic<bool> called = false;
    const auto watch = store_->Watch(child_id, [&](TokenEnd) {
      second_begins.get_future().wait();
      for (int yields = 0; yields < 10; ++yields) std::this_thread::yield();
      called = true;
    });
    gate_.Close();
    std::thread first([&] { EXPECT_EQ(store_->Revoke(parent_id), absl::OkStatus()); });
    gate_.Await();
    std::thread second([&] {
      second_begins.set_value();
      EXPECT_EQ(store_->Revoke(child_id), absl::OkStatus());
      EXPECT_TRUE(called);
    });
    gate_.Open();
    first.join();
    second.join();
  }
}

TEST_F(TokenStoreTest, ASlowWatcherHoldsUpNoLookUp) {
  const std::string revoked_id = EntryOf(Create(root_)).id;
  const std::string secret = Create(root_);
  std::promise<void> looked_up;
  const auto slow = store_->Watch(
      revoked_id, [ended = looked_up.get_future().share()](TokenEnd) { ended.wait(); });
  std::thread revocation([&] { EXPECT_EQ(store_->Revoke(revoked_id), absl::OkStatus()); });
  while (store_->Knows(revoked_id)) std::this_thread::yield();
  EXPECT_NE(Watch(secret), nullptr);
  EXPECT_EQ(store_->Watch(revoked_id, [](TokenEnd) {}), nullptr);
  EXPECT_EQ(store_->Accessors().size(), 2u);
  looked_up.set_value();
  revocation.join();
}

TEST_F(TokenStoreTest, ARevocationIsOneBatch) {
  const std::string parent = Create(root_);
  const std::string child = Create(EntryOf(parent));
  const std::string parent_key = "delete id/" + EntryOf(parent).id;
  const std::string child_key = "delete id/" + EntryOf(child).id;
  const std::string grandchild_key = "delete id/" + EntryOf(Create(EntryOf(child))).id;
  gate_.Batches();
  ASSERT_EQ(store_->Revoke(EntryOf(parent).id), absl::OkStatus());
  EXPECT_THAT(gate_.Batches(),
              ElementsAre(UnorderedElementsAre(parent_key, child_key, grandchild_key)));
  ASSERT_EQ(store_->Revoke("gone"), absl::OkStatus());
  EXPECT_THAT(gate_.Batches(), IsEmpty());
}

TEST_F(TokenStoreTest, OrphansAndTheEndOfTheirParentAreOneBatch) {
  const std::string parent = Create(root_);
  const std::string parent_id = EntryOf(parent).id;
  const std::string child = Create(EntryOf(parent));
  const std::string other_id = EntryOf(Create(EntryOf(parent))).id;
  Create(EntryOf(child));
  gate_.Batches();
  ASSERT_EQ(store_->RevokeOrphan(parent_id), absl::OkStatus());
  EXPECT_THAT(gate_.Batches(),
              ElementsAre(UnorderedElementsAre("put id/" + EntryOf(child).id, "put id/" + other_id,
                                               "delete id/" + parent_id)));
}

TEST_F(TokenStoreTest, WhatHasExpiredIsOneBatch) {
  const std::string parent = Create(root_, {.ttl = absl::Hours(2)});
  const std::string parent_id = EntryOf(parent).id;
  const std::string child_id = EntryOf(Create(EntryOf(parent), {.ttl = absl::Hours(1)})).id;
  const std::string other_id = EntryOf(Create(root_, {.ttl = absl::Hours(1)})).id;
  clock_.Advance(absl::Hours(2));
  gate_.Batches();
  EXPECT_EQ(store_->ExpireDue(), absl::InfiniteFuture());
  EXPECT_THAT(gate_.Batches(),
              ElementsAre(UnorderedElementsAre("delete id/" + parent_id, "delete id/" + child_id,
                                               "delete id/" + other_id)));
}

TEST_F(TokenStoreTest, WhatExpiresWhileStorageIsWaitedForEndsAsWell) {
  const std::string first = Create(root_, {.ttl = absl::Hours(1)});
  const std::string second = Create(root_, {.ttl = absl::Hours(2)});
  const auto watch = Watch(first);
  const auto other = Watch(second);
  clock_.Advance(absl::Hours(1));
  WhileHeldBack([&] { EXPECT_EQ(store_->ExpireDue(), absl::InfiniteFuture()); },
                [&] { clock_.Advance(absl::Hours(1)); });
  EXPECT_THAT(ended_, ElementsAre(std::pair(first, TokenEnd::kExpired),
                                  std::pair(second, TokenEnd::kExpired)));
}

TEST_F(TokenStoreTest, AFamilyThatStorageRefusesToEndStaysWhole) {
  const std::string parent = Create(root_, {.ttl = absl::Hours(1)});
  const std::string child = Create(EntryOf(parent), {.ttl = absl::Hours(1)});
  const auto watch = Watch(child);
  storage_.refuse_deletes = true;
  EXPECT_EQ(store_->Revoke(EntryOf(parent).id).code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(store_->RevokeOrphan(EntryOf(parent).id).code(), absl::StatusCode::kUnavailable);
  EXPECT_TRUE(Lasts(parent));
  EXPECT_FALSE(EntryOf(child).orphan());
  clock_.Advance(absl::Hours(1));
  EXPECT_EQ(store_->ExpireDue(), clock_.Now());
  EXPECT_THAT(ended_, IsEmpty());
  EXPECT_THAT(Told(), IsEmpty());
  // Kept until storage lets it go, but no token any more.
  EXPECT_FALSE(Lasts(child));
  storage_.refuse_deletes = false;
  EXPECT_EQ(store_->ExpireDue(), absl::InfiniteFuture());
  EXPECT_EQ(ended_.size(), 1u);
  EXPECT_EQ(Told().size(), 2u);
}

TEST_F(TokenStoreTest, AnExpiredParentTakesItsChildrenEvenIfOnlyItIsRevoked) {
  const std::string parent = Create(root_, {.ttl = absl::Hours(1)});
  const std::string parent_id = EntryOf(parent).id;
  const std::string child = Create(EntryOf(parent), {.ttl = absl::Hours(2)});
  const auto watch = Watch(child);
  clock_.Advance(absl::Hours(1));
  ASSERT_EQ(store_->RevokeOrphan(parent_id), absl::OkStatus());
  EXPECT_FALSE(Lasts(child));
  EXPECT_THAT(ended_, ElementsAre(std::pair(child, TokenEnd::kParentRevoked)));
}

TEST_F(TokenStoreTest, ARenewalInTimeCountsEvenIfItIsStoredLater) {
  const std::string secret = Create(root_, {.ttl = absl::Hours(1)});
  const std::string id = EntryOf(secret).id;
  clock_.Advance(absl::Minutes(59));
  WhileHeldBack([&] { EXPECT_TRUE(store_->Renew(id, absl::ZeroDuration()).ok()); },
                [&] {
                  clock_.Advance(absl::Minutes(2));
                  EXPECT_FALSE(Lasts(secret));
                });
  EXPECT_TRUE(Lasts(secret));
  EXPECT_EQ(store_->ExpireDue(), clock_.Now() + absl::Minutes(58));
  EXPECT_TRUE(Lasts(secret));
}

TEST_F(TokenStoreTest, ThreadsTogetherHaveAsManyUsesAsThereAre) {
  const std::string secret = Create(root_, {.num_uses = 100});
  const TokenStore::TokenPtr token = store_->Find(secret);
  std::atomic<int> uses = 0;
  std::atomic<int> last_uses = 0;
  std::atomic<int> last_finished = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (;;) {
        const absl::StatusOr<TokenStore::TokenPtr> used = store_->Use(secret);
        ASSERT_TRUE(used.ok());
        if (*used == nullptr) return;
        ++uses;
        if ((*used)->entry.used_up()) ++last_uses;
        if (store_->FinishUse(**used)) ++last_finished;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(uses, 100);
  EXPECT_EQ(last_uses, 1);
  EXPECT_EQ(last_finished, 1);
  ASSERT_EQ(store_->EndUsedUp(*token), absl::OkStatus());
  EXPECT_FALSE(store_->Knows(token->entry.id));
}

}  // namespace
}  // namespace belfry::access
