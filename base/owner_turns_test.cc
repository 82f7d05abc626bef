#include "base/owner_turns.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

namespace belfry {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<std::string> Drain(OwnerTurns<std::string>& turns) {
  std::vector<std::string> items;
  while (std::optional<std::string> item = turns.Take()) items.push_back(*std::move(item));
  return items;
}

TEST(OwnerTurnsTest, ItemsOfOneOwnerComeInTheirOrder) {
  OwnerTurns<std::string> turns;
  for (const char* item : {"1", "2", "3"}) turns.Add("a", item);
  EXPECT_THAT(Drain(turns), ElementsAre("1", "2", "3"));
  EXPECT_THAT(Drain(turns), IsEmpty());
}

TEST(OwnerTurnsTest, OwnersTakeTurnsHoweverManyItemsOneHas) {
  OwnerTurns<std::string> turns;
  for (const char* item : {"a1", "a2", "a3", "a4"}) turns.Add("a", item);
  turns.Add("b", "b1");
  turns.Add("c", "c1");
  turns.Add("b", "b2");
  EXPECT_THAT(Drain(turns), ElementsAre("a1", "b1", "c1", "a2", "b2", "a3", "a4"));
}

TEST(OwnerTurnsTest, WhoComesLaterWaitsForOneTurnOfEachOther) {
  OwnerTurns<std::string> turns;
  for (int i = 0; i < 500; ++i) turns.Add("a", "a");
  ASSERT_EQ(turns.Take(), "a");
  turns.Add("b", "b");
  EXPECT_EQ(turns.Take(), "a");
  EXPECT_EQ(turns.Take(), "b");
}

TEST(OwnerTurnsTest, WhoComesBackAfterATurnComesBehindTheOthers) {
  OwnerTurns<std::string> turns;
  turns.Add("a", "a1");
  turns.Add("b", "b1");
  ASSERT_EQ(turns.Take(), "a1");
  turns.Add("a", "a2");
  EXPECT_THAT(Drain(turns), ElementsAre("b1", "a2"));
}

TEST(OwnerTurnsTest, AnOwnerThatMayHaveNoneNowKeepsItsTurn) {
  OwnerTurns<std::string> turns;
  for (const char* item : {"a1", "a2"}) turns.Add("a", item);
  for (const char* item : {"b1", "b2"}) turns.Add("b", item);
  const auto not_a = [](const std::string& owner) { return owner != "a"; };
  const auto first = turns.TakeOf(not_a);
  ASSERT_TRUE(first);
  EXPECT_EQ(first->owner, "b");
  EXPECT_EQ(first->item, "b1");
  ASSERT_EQ(turns.Take(), "a1");
  EXPECT_EQ(turns.TakeOf(not_a)->item, "b2");
  EXPECT_FALSE(turns.TakeOf(not_a));
  EXPECT_EQ(turns.size(), 1u);
  EXPECT_THAT(Drain(turns), ElementsAre("a2"));
}

TEST(OwnerTurnsTest, TheNextIsWhatIsTaken) {
  OwnerTurns<std::string> turns;
  EXPECT_EQ(turns.Next(), nullptr);
  turns.Add("a", "a1");
  turns.Add("b", "b1");
  EXPECT_EQ(*turns.Next(), "a1");
  EXPECT_EQ(turns.Take(), "a1");
  EXPECT_EQ(*turns.Next(), "b1");
}

TEST(OwnerTurnsTest, WhatIsTakenOutCostsTheOthersNoPlace) {
  OwnerTurns<std::string> turns;
  for (const char* item : {"a1", "a2", "a3"}) turns.Add("a", item);
  turns.Add("b", "b1");
  turns.Add("c", "c1");
  EXPECT_THAT(turns.TakeIf([](const std::string& item) { return item == "a1" || item == "b1"; }),
              ElementsAre("a1", "b1"));
  EXPECT_EQ(turns.size(), 3);
  EXPECT_THAT(Drain(turns), ElementsAre("a2", "c1", "a3"));
  EXPECT_EQ(turns.size(), 0);
}

TEST(OwnerTurnsTest, TheNewestOfWhoHasMostIsTakenOut) {
  OwnerTurns<std::string> turns;
  EXPECT_EQ(turns.TakeNewestOfMost(), std::nullopt);
  turns.Add("a", "a1");
  for (const char* item : {"b1", "b2"}) turns.Add("b", item);
  EXPECT_EQ(turns.TakeNewestOfMost(), "b2");
  EXPECT_THAT(Drain(turns), ElementsAre("a1", "b1"));
  turns.Add("c", "c1");
  EXPECT_EQ(turns.TakeNewestOfMost(), "c1");
  EXPECT_EQ(turns.size(), 0);
  EXPECT_THAT(Drain(turns), IsEmpty());
}

TEST(OwnerTurnsTest, ItemsNeedNotBeCopied) {
  OwnerTurns<std::unique_ptr<int>> turns;
  turns.Add("a", std::make_unique<int>(1));
  turns.Add("a", std::make_unique<int>(2));
  EXPECT_EQ(turns.TakeIf([](const std::unique_ptr<int>& item) { return *item == 1; }).size(), 1);
  EXPECT_EQ(**turns.Take(), 2);
}

}  // namespace
}  // namespace belfry
