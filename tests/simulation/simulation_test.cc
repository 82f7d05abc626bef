#include "tests/simulation/simulation.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <iterator>
#include <optional>
#include <string>
#include <vector>

namespace belfry::simulation {
namespace {

constexpr std::uint64_t kSeeds = 300;
// In so many seeds a planted bug must be found.
constexpr std::uint64_t kSeedsForABug = 1000;
// Seeds that have found something, each with what it was.
const std::vector<std::uint64_t> kKeptSeeds = {
    4427,  // A follower judged what it had just read by rights from before the reading.
};

std::string Report(std::uint64_t seed, const Outcome& outcome) {
  std::string report = "seed " + std::to_string(seed) + "\n";
  for (const std::string& line : outcome.history) report += line + "\n";
  return report;
}

void ExpectNoViolation(std::uint64_t seed) {
  const Outcome outcome = Simulation(seed).Run();
  EXPECT_EQ(outcome.violation, std::nullopt) << Report(seed, outcome);
}

// What is said of the first seed that finds it.
std::string Find(Bug bug) {
  for (std::uint64_t seed = 1; seed <= kSeedsForABug; ++seed) {
    const Outcome outcome = Simulation(seed, bug).Run();
    if (!outcome.violation) continue;
    const std::string found = "seed " + std::to_string(seed) + ": " + *outcome.violation;
    ::testing::Test::RecordProperty("found", found);
    std::printf("%s\n", found.c_str());
    return found;
  }
  return "";
}

TEST(SimulationTest, ThreeHundredSeedsHold) {
  for (std::uint64_t seed = 1; seed <= kSeeds && !::testing::Test::HasFailure(); ++seed)
    ExpectNoViolation(seed);
}

TEST(SimulationTest, TheKeptSeedsHold) {
  for (const std::uint64_t seed : kKeptSeeds) ExpectNoViolation(seed);
}

TEST(SimulationTest, OneSeedIsOneRun) {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    const Outcome once = Simulation(seed).Run();
    const Outcome again = Simulation(seed).Run();
    EXPECT_EQ(once.history, again.history) << "seed " << seed;
    EXPECT_EQ(once.time, again.time) << "seed " << seed;
  }
}

TEST(SimulationTest, FindsAPublishBeforeTheCommit) {
  EXPECT_NE(Find(Bug::kPublishBeforeCommit), "");
}

TEST(SimulationTest, FindsACursorThatIsGivenTwice) {
  EXPECT_NE(Find(Bug::kCursorGivenTwice), "");
}

TEST(SimulationTest, FindsAGapAtTheChangeFromReplayToLive) {
  EXPECT_NE(Find(Bug::kGapBetweenReplayAndLive), "");
}

TEST(SimulationTest, FindsARightThatIsJudgedByTheOldPolicy) {
  EXPECT_NE(Find(Bug::kJudgedByOldPolicy), "");
}

TEST(SimulationTest, FindsAnAcknowledgementBeforeTheSync) {
  EXPECT_NE(Find(Bug::kAcknowledgedBeforeSync), "");
}

}  // namespace
}  // namespace belfry::simulation
