#include "server/access/policy_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "absl/strings/escaping.h"
#include "server/access/testing.h"
#include "server/storage/committer.h"
#include "server/storage/testing.h"

namespace belfry::access {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class PolicyStoreTest : public ::testing::Test {
 protected:
  PolicyStoreTest() { Open(); }

  void Open() {
    absl::StatusOr<std::unique_ptr<PolicyStore>> opened = PolicyStore::Open(&gate_);
    ASSERT_TRUE(opened.ok()) << opened.status();
    store_ = *std::move(opened);
  }
  bool MayRead(std::vector<std::string> policies, std::string_view path) {
    return store_->AclOf(policies)->Allows({.capability = Capability::kRead, .path = path});
  }

  const std::unique_ptr<storage::Storage> storage_ = storage::NewInMemoryStorage();
  GatedStorage gate_{storage_.get()};
  std::unique_ptr<PolicyStore> store_;
};

TEST_F(PolicyStoreTest, BeginsWithRootAndADefaultThatCanBeRead) {
  EXPECT_THAT(store_->Names(), ElementsAre("default", "root"));
  EXPECT_EQ(store_->Find("root")->text, "");
  EXPECT_THAT(store_->Find("default")->text, HasSubstr("auth/token/lookup-self"));
  EXPECT_TRUE(MayRead({"root"}, "anything"));
  EXPECT_TRUE(MayRead({"default"}, "auth/token/lookup-self"));
  EXPECT_FALSE(MayRead({"default"}, "secret/a"));
}

TEST_F(PolicyStoreTest, KeepsWhatWasWrittenAcrossARestart) {
  ASSERT_EQ(store_->Put(" App../x ", "path \"a\" { policy = \"read\" }"), absl::OkStatus());
  ASSERT_EQ(store_->Put("default", "path \"b\" { policy = \"read\" }"), absl::OkStatus());
  Open();
  EXPECT_THAT(store_->Names(), ElementsAre("app../x", "default", "root"));
  EXPECT_EQ(store_->Find("APP../X")->text, "path \"a\" { policy = \"read\" }");
  EXPECT_TRUE(MayRead({"app../x"}, "a"));
  EXPECT_TRUE(MayRead({"default"}, "b"));
  EXPECT_FALSE(MayRead({"default"}, "auth/token/lookup-self"));
  ASSERT_EQ(store_->Delete("app../x"), absl::OkStatus());
  Open();
  EXPECT_EQ(store_->Find("app../x"), nullptr);
}

TEST_F(PolicyStoreTest, AChangeIsInForceAndToldWhenTheCallReturns) {
  int changes = 0;
  auto watch = store_->Watch([&changes] { ++changes; });
  ASSERT_EQ(store_->Put("a", "path \"a\" { policy = \"read\" }"), absl::OkStatus());
  EXPECT_EQ(changes, 1);
  EXPECT_TRUE(MayRead({"a", "b"}, "a"));
  ASSERT_EQ(store_->Put("b", "path \"a\" { policy = \"deny\" }"), absl::OkStatus());
  EXPECT_EQ(changes, 2);
  EXPECT_FALSE(MayRead({"a", "b"}, "a"));
  ASSERT_EQ(store_->Delete("b"), absl::OkStatus());
  EXPECT_EQ(changes, 3);
  EXPECT_TRUE(MayRead({"a", "b"}, "a"));
  watch.reset();
  ASSERT_EQ(store_->Delete("a"), absl::OkStatus());
  EXPECT_EQ(changes, 3);
}

TEST_F(PolicyStoreTest, UntilAChangeIsCommittedEverybodyIsAnsweredAsBeforeIt) {
  ASSERT_EQ(store_->Put("a", "path \"a\" { policy = \"read\" }"), absl::OkStatus());
  const std::uint64_t version = store_->version();
  gate_.Close();
  std::thread writer([this] {
    EXPECT_EQ(store_->Put("a", "path \"b\" { policy = \"read\" }"), absl::OkStatus());
  });
  gate_.Await();
  EXPECT_TRUE(MayRead({"a"}, "a"));
  EXPECT_THAT(store_->Find("a")->text, HasSubstr("path \"a\""));
  EXPECT_THAT(store_->Names(), ElementsAre("a", "default", "root"));
  EXPECT_EQ(store_->version(), version);
  const auto watch = store_->Watch([] {});
  gate_.Open();
  writer.join();
  EXPECT_FALSE(MayRead({"a"}, "a"));
  EXPECT_TRUE(MayRead({"a"}, "b"));
}

TEST_F(PolicyStoreTest, ChangesThatArePendingAtOnceComeIntoForceInTheOrderOfTheirCommits) {
  gate_.Close();
  std::vector<std::thread> writers;
  for (std::size_t i = 1; i <= 4; ++i) {
    writers.emplace_back([this, i] {
      EXPECT_EQ(store_->Put("a", "path \"" + std::to_string(i) + "\" { policy = \"read\" }"),
                absl::OkStatus());
    });
    gate_.Await(i);
  }
  gate_.Open();
  for (std::thread& writer : writers) writer.join();
  EXPECT_TRUE(MayRead({"a"}, "4"));
  EXPECT_EQ(*storage_->Get(absl::BytesToHexString("a")), store_->Find("a")->text);
}

TEST_F(PolicyStoreTest, WhatIsNotStoredIsNotInForce) {
  storage::FaultyStorage storage;
  const auto store = *PolicyStore::Open(&storage);
  storage.refuse_puts = true;
  EXPECT_EQ(store->Put("a", "path \"a\" {}").code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(store->Find("a"), nullptr);
}

TEST_F(PolicyStoreTest, WatchersMayAskAndComeAndGo) {
  int asked = 0;
  const auto ask = [this, &asked] {
    EXPECT_FALSE(MayRead({"a"}, "a"));
    ++asked;
  };
  std::vector<std::shared_ptr<const void>> watches;
  for (int i = 0; i < 100; ++i) {
    watches.push_back(store_->Watch(ask));
    if (i % 4 != 0) watches.pop_back();
  }
  ASSERT_EQ(store_->Put("a", "path \"a\" { policy = \"deny\" }"), absl::OkStatus());
  EXPECT_EQ(asked, 25);
}

TEST_F(PolicyStoreTest, AnAclStaysTheSameUntilOneOfItsPoliciesChanges) {
  ASSERT_EQ(store_->Put("a", "path \"a\" { policy = \"read\" }"), absl::OkStatus());
  const auto first = store_->AclOf({"a", "default"});
  ASSERT_EQ(store_->Put("b", "path \"b\" {}"), absl::OkStatus());
  ASSERT_EQ(store_->Delete("b"), absl::OkStatus());
  EXPECT_EQ(store_->AclOf({"a", "default"}), first);
  ASSERT_EQ(store_->Put("a", "path \"a\" { policy = \"deny\" }"), absl::OkStatus());
  EXPECT_NE(store_->AclOf({"a", "default"}), first);
  EXPECT_FALSE(MayRead({"a", "default"}, "a"));
}

// Or publishers of events would do it, one after the other.
TEST_F(PolicyStoreTest, TheRulesAfterAChangeAreThereBeforeAnyoneAsks) {
  ASSERT_EQ(store_->Put("a", "path \"a\" { policy = \"read\" }"), absl::OkStatus());
  const std::vector<std::vector<std::string>> sets = {{"a"}, {"a", "default"}, {"a", "new"}};
  for (const std::vector<std::string>& names : sets) (void)store_->AclOf(names);
  ASSERT_EQ(store_->Put("a", "path \"b\" { policy = \"read\" }"), absl::OkStatus());
  for (const std::vector<std::string>& names : sets) {
    EXPECT_TRUE(store_->HasAclOf(names));
    EXPECT_TRUE(MayRead(names, "b"));
    EXPECT_FALSE(MayRead(names, "a"));
  }
  (void)store_->AclOf({"a", "new"});
  ASSERT_EQ(store_->Put("new", "path \"c\" { policy = \"read\" }"), absl::OkStatus());
  EXPECT_TRUE(MayRead({"a", "new"}, "c"));
  EXPECT_FALSE(MayRead({"a"}, "c"));
  (void)store_->AclOf({"a", "new"});
  ASSERT_EQ(store_->Delete("new"), absl::OkStatus());
  EXPECT_FALSE(MayRead({"a", "new"}, "c"));
  EXPECT_TRUE(MayRead({"a", "new"}, "b"));
}

// A policy of so many rules.
std::string Rules(int count) {
  std::string text;
  for (int i = 0; i < count; ++i) {
    text += "path \"secret/data/" + std::to_string(i) + "/*\" { policy = \"read\" }\n";
  }
  return text;
}

TEST_F(PolicyStoreTest, NamesWithoutAPolicyCostNothing) {
  ASSERT_EQ(store_->Put("large", Rules(500)), absl::OkStatus());
  const auto acl = store_->AclOf({"default", "large"});
  const std::size_t bytes = store_->acl_bytes();
  for (int i = 0; i < 400; ++i) {
    EXPECT_EQ(store_->AclOf({"default", "large", "nope" + std::to_string(i)}), acl);
  }
  EXPECT_EQ(store_->acl_bytes(), bytes);
}

TEST_F(PolicyStoreTest, RulesTooLargeForTheCacheAreSharedWhileTheyAreHeld) {
  Limits limits;
  limits.max_rule_cache_bytes = 1;
  const auto storage = storage::NewInMemoryStorage();
  const auto store = *PolicyStore::Open(storage.get(), limits);
  ASSERT_EQ(store->Put("a", Rules(1)), absl::OkStatus());
  auto held = store->AclOf({"a"});
  EXPECT_TRUE(store->HasAclOf({"a"}));
  ASSERT_EQ(store->Put("b", Rules(1)), absl::OkStatus());
  EXPECT_EQ(store->AclOf({"a"}), held);
  ASSERT_EQ(store->Put("a", Rules(2)), absl::OkStatus());
  EXPECT_NE(store->AclOf({"a"}), held);
  held = nullptr;
  EXPECT_FALSE(store->HasAclOf({"a"}));
  EXPECT_EQ(store->acl_bytes(), 0u);
}

// So that the next change of one of the policies finds them, and rebuilds them before it is seen.
TEST_F(PolicyStoreTest, RulesThatWereForgottenWhileTheyAreHeldAreKeptAgain) {
  ASSERT_EQ(store_->Put("a", Rules(1)), absl::OkStatus());
  auto held = store_->AclOf({"a"}, "first");
  store_->OnTokenEnd({"a"}, "first");
  EXPECT_EQ(store_->AclOf({"a"}, "second"), held);
  held = nullptr;
  EXPECT_TRUE(store_->HasAclOf({"a"}));
  ASSERT_EQ(store_->Put("a", Rules(2)), absl::OkStatus());
  EXPECT_TRUE(store_->HasAclOf({"a"}));
}

TEST_F(PolicyStoreTest, WhatIsKeptOfPoliciesIsBounded) {
  Limits limits;
  limits.max_rule_cache_bytes = 1024 * 1024;
  const auto storage = storage::NewInMemoryStorage();
  const auto store = *PolicyStore::Open(storage.get(), limits);
  std::vector<std::vector<std::string>> sets;
  for (int i = 0; i < 50; ++i) {
    sets.push_back({"p" + std::to_string(i)});
    ASSERT_EQ(store->Put(sets.back().front(), Rules(200)), absl::OkStatus());
  }
  const auto first = store->AclOf(sets[0]);
  for (const std::vector<std::string>& names : sets) {
    ASSERT_TRUE(store->AclOf(names)->Allows({.path = "secret/data/1/a"}));
    EXPECT_LE(store->acl_bytes(), limits.max_rule_cache_bytes);
    // Whoever asks again and again is not forgotten.
    EXPECT_EQ(store->AclOf(sets[0]), first);
  }
  EXPECT_FALSE(store->HasAclOf(sets[1]));
  EXPECT_TRUE(store->HasAclOf(sets[49]));
}

TEST_F(PolicyStoreTest, WhatATokenUsedAloneGoesWithIt) {
  ASSERT_EQ(store_->Put("large", Rules(500)), absl::OkStatus());
  const std::size_t before = store_->acl_bytes();
  const std::vector<std::string> names = {"default", "large"};
  (void)store_->AclOf(names, "one");
  (void)store_->AclOf(names, "other");
  store_->OnTokenEnd(names, "one");
  EXPECT_TRUE(store_->HasAclOf(names));
  store_->OnTokenEnd(names, "other");
  EXPECT_FALSE(store_->HasAclOf(names));
  EXPECT_EQ(store_->acl_bytes(), before);
}

// It stands for some 100 KB, which is what an allocator would say.
TEST_F(PolicyStoreTest, WhatIsKeptIsCountedAsLargeAsItIs) {
  ASSERT_EQ(store_->Put("large", Rules(200)), absl::OkStatus());
  (void)store_->AclOf({"large"});
  EXPECT_GT(store_->acl_bytes(), 200 * sizeof(PathRule));
  EXPECT_LT(store_->acl_bytes(), 200 * 5 * sizeof(PathRule));
}

TEST_F(PolicyStoreTest, RefusesInVaultsWords) {
  const std::string_view text = "path \"a\" {}";
  EXPECT_EQ(store_->Put("Root", text), absl::InvalidArgumentError("cannot update \"root\" policy"));
  EXPECT_EQ(store_->Put("response-wrapping", text),
            absl::InvalidArgumentError("cannot update \"response-wrapping\" policy"));
  EXPECT_EQ(store_->Put("a", ""),
            absl::InvalidArgumentError("'policy' parameter not supplied or empty"));
  EXPECT_EQ(store_->Put("a", "path \"x\" { capabilities=[\"bogus\"] }"),
            absl::InvalidArgumentError(
                "failed to parse policy: path \"x\": invalid capability \"bogus\""));
  EXPECT_EQ(store_->Find("a"), nullptr);
  EXPECT_EQ(store_->Delete("root"), absl::InvalidArgumentError("cannot delete \"root\" policy"));
  EXPECT_EQ(store_->Delete("default"), absl::InvalidArgumentError("cannot delete default policy"));
  EXPECT_EQ(store_->Delete("nope"), absl::OkStatus());
}

TEST_F(PolicyStoreTest, TakesTheBase64OfAPolicy) {
  const std::string text = "path \"a\" { policy = \"read\" }";
  ASSERT_EQ(store_->Put("a", absl::Base64Escape(text)), absl::OkStatus());
  EXPECT_EQ(store_->Find("a")->text, text);
}

TEST_F(PolicyStoreTest, DoesNotOpenOverAPolicyThatItCannotRead) {
  ASSERT_EQ(storage::Put(*storage_, absl::BytesToHexString("bad"), "path {"), absl::OkStatus());
  const auto opened = PolicyStore::Open(storage_.get());
  EXPECT_EQ(opened.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(opened.status().message()), HasSubstr("the stored policy \"bad\""));
}

}  // namespace
}  // namespace belfry::access
