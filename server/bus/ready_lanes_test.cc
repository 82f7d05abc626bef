#include "server/bus/ready_lanes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace belfry::bus {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// Lanes are told apart by the type that they are asked for.
class ReadyLanesTest : public ::testing::Test {
 protected:
  void Add(std::string owner, std::string type) {
    ready_.Add({.pattern = std::make_shared<const Pattern>(
                    Pattern{.type = std::move(type), .owner = std::move(owner)}),
                .lane = std::make_shared<Lane>(Limits())});
  }
  std::vector<std::string> Drain() {
    std::vector<std::string> types;
    while (const std::optional<ReadyLane> ready = ready_.Next()) {
      types.push_back(ready->pattern->type);
    }
    return types;
  }

  ReadyLanes ready_;
};

TEST_F(ReadyLanesTest, LanesOfOneOwnerComeInTheirOrder) {
  for (const char* type : {"1", "2", "3"}) Add("a", type);
  EXPECT_THAT(Drain(), ElementsAre("1", "2", "3"));
  EXPECT_THAT(Drain(), IsEmpty());
}

TEST_F(ReadyLanesTest, OwnersTakeTurnsHoweverManyLanesOneHas) {
  for (const char* type : {"a1", "a2", "a3", "a4"}) Add("a", type);
  Add("b", "b1");
  Add("c", "c1");
  Add("b", "b2");
  EXPECT_THAT(Drain(), ElementsAre("a1", "b1", "c1", "a2", "b2", "a3", "a4"));
}

}  // namespace
}  // namespace belfry::bus
