#include "server/access/token_tree.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <optional>
#include <random>

namespace belfry::access {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

constexpr std::size_t kAll = std::numeric_limits<std::size_t>::max();
const absl::Time kStart = absl::FromUnixSeconds(1'795'413'461);
constexpr absl::Time kNever = absl::InfiniteFuture();

absl::Time In(int hours) {
  return kStart + absl::Hours(hours);
}

TokenEntry Token(std::string id, std::string parent = "", absl::Time expires = kNever) {
  return {.id = std::move(id), .parent = std::move(parent), .expires = expires};
}

using Ends = std::vector<std::pair<std::string, TokenEnd>>;

Ends EndsOf(const std::vector<TokenTree::EndedToken>& ended) {
  Ends ends;
  for (const TokenTree::EndedToken& one : ended) ends.emplace_back(one.token->entry.id, one.end);
  return ends;
}

std::vector<std::string> Ids(const TokenTree& tree) {
  std::vector<std::string> ids;
  for (const TokenTree::TokenPtr& token : tree.All()) ids.push_back(token->entry.id);
  return ids;
}

// When the token ends by the clock.
absl::Time LastsUntil(const TokenTree& tree, std::string_view id) {
  return tree.Find(id)->life->expires();
}

TEST(TokenTree, FindsWhatWasInserted) {
  TokenTree tree;
  const TokenTree::TokenPtr inserted = tree.Insert(Token("a", "", In(1)));
  EXPECT_EQ(tree.Find("a"), inserted);
  EXPECT_EQ(inserted->entry.expires, In(1));
  EXPECT_TRUE(inserted->life->Lasts(In(1) - absl::Nanoseconds(1)));
  EXPECT_FALSE(inserted->life->Lasts(In(1)));
  EXPECT_EQ(tree.Find("b"), nullptr);
}

TEST(TokenTree, ATokenEndsWithItsParentAtTheLatest) {
  TokenTree tree;
  tree.Insert(Token("a", "", In(2)));
  tree.Insert(Token("b", "a", In(9)));
  tree.Insert(Token("c", "b", In(1)));
  tree.Insert(Token("d", "b"));
  EXPECT_EQ(LastsUntil(tree, "b"), In(2));
  EXPECT_EQ(LastsUntil(tree, "c"), In(1));
  EXPECT_EQ(LastsUntil(tree, "d"), In(2));
}

TEST(TokenTree, AChangeOfAnExpiryReachesAllThatDescend) {
  TokenTree tree;
  tree.Insert(Token("a", "", In(2)));
  tree.Insert(Token("b", "a", In(9)));
  tree.Insert(Token("c", "b", In(5)));
  const auto life = tree.Find("c")->life;
  tree.Change(Token("a", "", In(4)));
  EXPECT_EQ(life->expires(), In(4));
  tree.Change(Token("a", "", In(8)));
  EXPECT_EQ(life->expires(), In(5));
  tree.Change(Token("b", "a", In(1)));
  EXPECT_EQ(life->expires(), In(1));
}

TEST(TokenTree, AChangeLeavesWhatWasFoundAsItWas) {
  TokenTree tree;
  const TokenTree::TokenPtr before = tree.Insert(Token("a"));
  TokenEntry used = before->entry;
  used.num_uses = 1;
  const TokenTree::TokenPtr after = tree.Change(used);
  EXPECT_EQ(before->entry.num_uses, 0);
  EXPECT_EQ(after->entry.num_uses, 1);
  EXPECT_EQ(tree.Find("a"), after);
  EXPECT_EQ(before->life, after->life);
}

TEST(TokenTree, ADropTakesParentsBeforeChildren) {
  TokenTree tree;
  tree.Insert(Token("root"));
  tree.Insert(Token("z", "root"));
  tree.Insert(Token("y", "z"));
  tree.Insert(Token("x", "y"));
  tree.Insert(Token("w", "z"));
  tree.Insert(Token("other", "root"));
  const auto life = tree.Find("x")->life;
  EXPECT_THAT(tree.Subtrees({"z"}), UnorderedElementsAre("w", "x", "y", "z"));
  EXPECT_THAT(
      EndsOf(tree.Drop({"z"}, TokenEnd::kRevoked)),
      ElementsAre(Pair("z", TokenEnd::kRevoked), Pair("w", TokenEnd::kParentRevoked),
                  Pair("y", TokenEnd::kParentRevoked), Pair("x", TokenEnd::kParentRevoked)));
  EXPECT_FALSE(life->Lasts(kStart));
  EXPECT_THAT(Ids(tree), ElementsAre("other", "root"));
  EXPECT_THAT(tree.Subtrees({"root"}), ElementsAre("root", "other"));
  EXPECT_THAT(tree.Drop({"z"}, TokenEnd::kRevoked), IsEmpty());
}

TEST(TokenTree, WhatDescendsFromSeveralEndsOnce) {
  TokenTree tree;
  tree.Insert(Token("a"));
  tree.Insert(Token("b", "a"));
  tree.Insert(Token("c", "b"));
  EXPECT_THAT(tree.Subtrees({"b", "gone", "a", "b"}), UnorderedElementsAre("a", "b", "c"));
  EXPECT_THAT(EndsOf(tree.Drop({"b", "gone", "a", "c"}, TokenEnd::kExpired)),
              ElementsAre(Pair("b", TokenEnd::kExpired), Pair("c", TokenEnd::kParentRevoked),
                          Pair("a", TokenEnd::kExpired)));
}

TEST(TokenTree, OrphansStayWhenTheirParentGoes) {
  TokenTree tree;
  tree.Insert(Token("a", "", In(1)));
  tree.Insert(Token("b", "a", In(3)));
  tree.Insert(Token("c", "b", In(9)));
  const std::vector<TokenEntry> orphans = tree.ChildrenAsOrphans("a");
  ASSERT_EQ(orphans.size(), 1u);
  EXPECT_EQ(orphans[0].id, "b");
  EXPECT_TRUE(orphans[0].orphan());
  // To ask changes nothing.
  EXPECT_FALSE(tree.Find("b")->entry.orphan());
  tree.Change(orphans[0]);
  EXPECT_EQ(LastsUntil(tree, "b"), In(3));
  EXPECT_EQ(LastsUntil(tree, "c"), In(3));
  EXPECT_THAT(EndsOf(tree.Drop({"a"}, TokenEnd::kRevoked)),
              ElementsAre(Pair("a", TokenEnd::kRevoked)));
  EXPECT_THAT(Ids(tree), ElementsAre("b", "c"));
}

TEST(TokenTree, ExpiriesComeInOrder) {
  TokenTree tree;
  EXPECT_EQ(tree.NextExpiry(), kNever);
  tree.Insert(Token("late", "", In(3)));
  tree.Insert(Token("early", "", In(1)));
  tree.Insert(Token("never"));
  EXPECT_EQ(tree.NextExpiry(), In(1));
  EXPECT_THAT(tree.Due(In(1) - absl::Nanoseconds(1), kAll), IsEmpty());
  EXPECT_THAT(tree.Due(In(1), kAll), ElementsAre("early"));
  EXPECT_THAT(tree.Due(In(9), kAll), ElementsAre("early", "late"));
  EXPECT_THAT(tree.Due(In(9), 1), ElementsAre("early"));
  tree.Change(Token("early", "", In(5)));
  EXPECT_EQ(tree.NextExpiry(), In(3));
  tree.Drop({"late"}, TokenEnd::kRevoked);
  EXPECT_EQ(tree.NextExpiry(), In(5));
  tree.Change(Token("early"));
  EXPECT_EQ(tree.NextExpiry(), kNever);
}

TEST(TokenTree, ADropReturnsTheWatchersThatAreLeft) {
  TokenTree tree;
  tree.Insert(Token("a"));
  const auto kept = std::make_shared<const TokenTree::Ended>([](TokenEnd) {});
  EXPECT_TRUE(tree.Watch("a", kept));
  EXPECT_TRUE(tree.Watch("a", std::make_shared<const TokenTree::Ended>([](TokenEnd) {})));
  EXPECT_TRUE(tree.Watch("a", kept));
  EXPECT_FALSE(tree.Watch("b", kept));
  const auto ended = tree.Drop({"a"}, TokenEnd::kUsedUp);
  ASSERT_EQ(ended.size(), 1u);
  ASSERT_EQ(ended[0].watchers.size(), 2u);
  EXPECT_EQ(ended[0].watchers[0].lock(), kept);
  EXPECT_EQ(ended[0].watchers[1].lock(), kept);
  EXPECT_FALSE(tree.Watch("a", kept));
}

TEST(TokenTree, IsRestoredFromEntriesInAnyOrder) {
  TokenTree tree;
  EXPECT_THAT(tree.Restore({Token("a", "b"), Token("b", "c", In(2)), Token("c")}), IsEmpty());
  EXPECT_THAT(Ids(tree), ElementsAre("a", "b", "c"));
  EXPECT_EQ(LastsUntil(tree, "a"), In(2));
  EXPECT_EQ(tree.NextExpiry(), In(2));
  EXPECT_THAT(tree.Subtrees({"b"}), UnorderedElementsAre("a", "b"));
}

TEST(TokenTree, RestoresNothingThatDescendsFromNoLastingOrphan) {
  TokenTree tree;
  TokenEntry used_up = Token("used-up");
  used_up.num_uses = -1;
  std::vector<std::string> strays;
  for (const TokenEntry& stray : tree.Restore(
           {Token("a"), Token("lost", "gone"), Token("below-lost", "lost"), used_up,
            Token("below-used-up", "used-up"), Token("self", "self"), Token("circle-1", "circle-2"),
            Token("circle-2", "circle-1"), Token("b", "a")})) {
    strays.push_back(stray.id);
  }
  EXPECT_THAT(strays, UnorderedElementsAre("lost", "below-lost", "used-up", "below-used-up", "self",
                                           "circle-1", "circle-2"));
  EXPECT_THAT(Ids(tree), ElementsAre("a", "b"));
}

// The same, found the long way.
class NaiveTree {
 public:
  std::map<std::string, TokenEntry> entries;
  std::map<std::string, std::size_t> watchers;

  absl::Time LastsUntil(const std::string& id) const {
    const TokenEntry& entry = entries.at(id);
    if (entry.orphan()) return entry.expires;
    return std::min(entry.expires, LastsUntil(entry.parent));
  }

  bool Descends(const std::string& id, const std::string& from) const {
    if (id == from) return true;
    const TokenEntry& entry = entries.at(id);
    return !entry.orphan() && Descends(entry.parent, from);
  }

  // In order of id.
  std::vector<std::string> Below(const std::string& top) const {
    std::vector<std::string> below;
    for (const auto& [id, entry] : entries) {
      if (id != top && Descends(id, top)) below.push_back(id);
    }
    return below;
  }

  // For each top that is still there, in order: itself, then all below it, in order of id.
  Ends Drop(const std::vector<std::string>& tops, TokenEnd end) {
    Ends ends;
    for (const std::string& top : tops) {
      if (!entries.contains(top)) continue;
      ends.emplace_back(top, end);
      for (const std::string& id : Below(top)) {
        ends.emplace_back(id, TokenEnd::kParentRevoked);
        entries.erase(id);
      }
      entries.erase(top);
    }
    return ends;
  }

  std::vector<std::pair<absl::Time, std::string>> Expiries() const {
    std::vector<std::pair<absl::Time, std::string>> expiries;
    for (const auto& [id, entry] : entries) {
      if (entry.expires != kNever) expiries.emplace_back(entry.expires, id);
    }
    std::sort(expiries.begin(), expiries.end());
    return expiries;
  }

  std::vector<std::string> Due(absl::Time now) const {
    std::vector<std::string> due;
    for (const auto& [expires, id] : Expiries()) {
      if (expires <= now) due.push_back(id);
    }
    return due;
  }
};

// Does the same to a tree and to the naive one, at random.
class TokenTreeAgainstNaive : public ::testing::Test {
 protected:
  std::size_t Below(std::size_t bound) { return random_() % bound; }
  const std::string& AnyId() {
    return std::next(naive_.entries.begin(), Below(naive_.entries.size()))->first;
  }
  absl::Time AnyExpiry() {
    return Below(4) == 0 ? kNever : now_ + absl::Minutes(static_cast<int>(1 + Below(60)));
  }

  void Insert() {
    TokenEntry entry = Token("t" + std::to_string(Below(1'000)), "", AnyExpiry());
    if (naive_.entries.contains(entry.id)) return;
    if (!naive_.entries.empty() && Below(5) != 0) entry.parent = AnyId();
    naive_.entries[entry.id] = entry;
    tree_.Insert(std::move(entry));
  }

  void Renew() {
    TokenEntry& entry = naive_.entries.at(AnyId());
    entry.expires = AnyExpiry();
    tree_.Change(entry);
  }

  void Watch() {
    const std::string id = AnyId();
    watchers_.push_back(std::make_shared<const TokenTree::Ended>([](TokenEnd) {}));
    ASSERT_TRUE(tree_.Watch(id, watchers_.back()));
    ++naive_.watchers[id];
  }

  void RevokeOrphan() {
    const std::string id = AnyId();
    std::vector<std::string> orphans;
    for (TokenEntry& orphan : tree_.ChildrenAsOrphans(id)) {
      orphans.push_back(orphan.id);
      tree_.Change(std::move(orphan));
    }
    std::vector<std::string> expected;
    for (auto& [child, entry] : naive_.entries) {
      if (entry.parent != id) continue;
      expected.push_back(child);
      entry.parent.clear();
    }
    EXPECT_EQ(orphans, expected);
    Drop({id}, TokenEnd::kRevoked);
  }

  void Drop(const std::vector<std::string>& tops, TokenEnd end) {
    std::vector<std::string> subtrees = tree_.Subtrees(tops);
    std::sort(subtrees.begin(), subtrees.end());
    const NaiveTree before = naive_;
    const Ends expected = naive_.Drop(tops, end);
    const std::vector<TokenTree::EndedToken> ended = tree_.Drop(tops, end);
    std::vector<std::string> ids;
    for (const TokenTree::EndedToken& one : ended) {
      const TokenEntry& entry = one.token->entry;
      EXPECT_FALSE(one.token->life->Lasts(absl::InfinitePast())) << entry.id;
      const auto watched = before.watchers.find(entry.id);
      EXPECT_EQ(one.watchers.size(), watched == before.watchers.end() ? 0 : watched->second);
      naive_.watchers.erase(entry.id);
      // Unless it is a top, its parent has ended just before it.
      EXPECT_TRUE(one.end == end || std::find(ids.begin(), ids.end(), entry.parent) != ids.end());
      ids.push_back(entry.id);
    }
    EXPECT_THAT(EndsOf(ended), ::testing::UnorderedElementsAreArray(expected));
    std::sort(ids.begin(), ids.end());
    EXPECT_EQ(ids, subtrees);
  }

  void Compare() {
    std::vector<std::string> ids;
    for (const auto& [id, entry] : naive_.entries) {
      ids.push_back(id);
      const TokenTree::TokenPtr token = tree_.Find(id);
      ASSERT_NE(token, nullptr);
      EXPECT_EQ(token->entry.parent, entry.parent);
      // In nanoseconds, as it is kept.
      EXPECT_EQ(absl::ToUnixNanos(token->life->expires()),
                absl::ToUnixNanos(naive_.LastsUntil(id)));
      EXPECT_EQ(token->life->Lasts(now_), naive_.LastsUntil(id) > now_);
    }
    EXPECT_EQ(Ids(tree_), ids);
    EXPECT_EQ(tree_.Due(now_, kAll), naive_.Due(now_));
    const auto expiries = naive_.Expiries();
    EXPECT_EQ(tree_.NextExpiry(), expiries.empty() ? kNever : expiries.front().first);
  }

  // The seed is part of the test: the same changes in each run.
  std::mt19937 random_{7};  // NOLINT(cert-msc51-cpp)
  absl::Time now_ = kStart;
  TokenTree tree_;
  NaiveTree naive_;
  std::vector<std::shared_ptr<const TokenTree::Ended>> watchers_;
};

TEST_F(TokenTreeAgainstNaive, BothAgreeAfterEveryChange) {
  for (int i = 0; i < 3'000 && !HasFailure(); ++i) {
    SCOPED_TRACE(i);
    const std::size_t what = Below(100);
    if (naive_.entries.empty() || (what < 65 && naive_.entries.size() < 40)) {
      Insert();
    } else if (what < 75) {
      Renew();
    } else if (what < 85) {
      Watch();
    } else if (what < 90) {
      RevokeOrphan();
    } else if (what < 95) {
      Drop({AnyId(), AnyId()}, TokenEnd::kRevoked);
    } else {
      now_ += absl::Minutes(static_cast<int>(Below(5)));
      Drop(tree_.Due(now_, kAll), TokenEnd::kExpired);
    }
    Compare();
  }
  std::vector<TokenEntry> entries;
  for (const auto& [id, entry] : naive_.entries) entries.push_back(entry);
  std::shuffle(entries.begin(), entries.end(), random_);
  tree_ = TokenTree();
  EXPECT_THAT(tree_.Restore(std::move(entries)), IsEmpty());
  Compare();
}

}  // namespace
}  // namespace belfry::access
