#include "cli/flags.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace belfry::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class FlagsTest : public ::testing::Test {
 protected:
  FlagsTest() {
    flags_.Add("address", "", &address_);
    flags_.Add("cas", "", &cas_);
    flags_.Add("dev", "", &dev_);
    flags_.Add("namespaces", "", &namespaces_);
  }
  std::string ErrorOf(std::vector<std::string> arguments) {
    const absl::Status status = flags_.Parse(std::move(arguments));
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    return std::string(status.message());
  }

  Flags flags_{Help{.usage = "test [flags] THING",
                    .about = "Tests a thing.",
                    .examples = {"belfry test -cas=1 thing"}}};
  std::string address_ = "default";
  int cas_ = -1;
  bool dev_ = false;
  std::vector<std::string> namespaces_;
};

TEST_F(FlagsTest, OneDashAndTwoEqualsAndSpaceMeanTheSame) {
  ASSERT_TRUE(flags_.Parse({"-address", "a", "--cas=3"}).ok());
  EXPECT_EQ(address_, "a");
  EXPECT_EQ(cas_, 3);
}

TEST_F(FlagsTest, TheFirstArgumentThatIsNoFlagEndsTheFlags) {
  ASSERT_TRUE(flags_.Parse({"-dev", "secret/foo", "cas=1", "-"}).ok());
  EXPECT_TRUE(dev_);
  EXPECT_THAT(flags_.arguments(), ElementsAre("secret/foo", "cas=1", "-"));
}

TEST_F(FlagsTest, AFlagAfterTheFirstArgumentIsRefusedWhetherItIsKnownOrNot) {
  for (const char* late : {"-cas=1", "--cas=1", "-nosuch", "-1", "--"}) {
    Flags flags(Help{});
    const absl::Status status = flags.Parse({"secret/foo", "x", late});
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << late;
    EXPECT_THAT(std::string(status.message()),
                HasSubstr(std::string("write ") + late + " before \"secret/foo\""));
  }
}

TEST_F(FlagsTest, TwoDashesEndTheFlags) {
  ASSERT_TRUE(flags_.Parse({"--", "-dev"}).ok());
  EXPECT_FALSE(dev_);
  EXPECT_THAT(flags_.arguments(), ElementsAre("-dev"));
}

TEST_F(FlagsTest, ABooleanTakesItsValueOnlyAfterEquals) {
  ASSERT_TRUE(flags_.Parse({"-dev=true", "-dev=F", "true"}).ok());
  EXPECT_FALSE(dev_);
  EXPECT_THAT(flags_.arguments(), ElementsAre("true"));
}

TEST_F(FlagsTest, AValueMayBeEmptyAndMayStartWithADash) {
  ASSERT_TRUE(flags_.Parse({"-address=", "-cas", "-5"}).ok());
  EXPECT_EQ(address_, "");
  EXPECT_EQ(cas_, -5);
}

TEST_F(FlagsTest, TheLastUseCountsUnlessTheFlagCollects) {
  ASSERT_TRUE(flags_.Parse({"-cas=1", "-namespaces=a", "-cas=2", "-namespaces=b"}).ok());
  EXPECT_EQ(cas_, 2);
  EXPECT_THAT(namespaces_, ElementsAre("a", "b"));
}

TEST_F(FlagsTest, AnAbsentFlagKeepsItsTargetAndWasNotGiven) {
  ASSERT_TRUE(flags_.Parse({"-cas=1"}).ok());
  EXPECT_EQ(address_, "default");
  EXPECT_FALSE(flags_.Given("address"));
  EXPECT_TRUE(flags_.Given("cas"));
}

TEST_F(FlagsTest, UnknownFlagIsNamedAsGoNamesIt) {
  EXPECT_EQ(ErrorOf({"-timeout=1s"}), "flag provided but not defined: -timeout");
}

TEST_F(FlagsTest, APrefixOfAFlagIsNotThatFlag) {
  EXPECT_EQ(ErrorOf({"-addr=x"}), "flag provided but not defined: -addr");
}

TEST_F(FlagsTest, AMissingValueIsNamed) {
  EXPECT_EQ(ErrorOf({"-address"}), "flag needs an argument: -address");
}

TEST_F(FlagsTest, ABooleanThatIsNoneIsNamed) {
  EXPECT_EQ(ErrorOf({"-dev=maybe"}), "invalid boolean value \"maybe\" for -dev: parse error");
}

TEST_F(FlagsTest, ANumberThatIsNoneIsNamedWithItsFlagAsItWasTyped) {
  const auto error_of = [this](const std::string& text) {
    Flags flags(Help{});
    flags.Add("cas", "", &cas_);
    return std::string(flags.Parse({"-cas=" + text}).message());
  };
  for (const std::string text : {"x", "", "1x", " 1", "0x1", "1.0"})
    EXPECT_EQ(error_of(text), "invalid value \"" + text + "\" for flag -cas: parse error");
  EXPECT_EQ(error_of("99999999999"),
            "invalid value \"99999999999\" for flag -cas: value out of range");
}

TEST_F(FlagsTest, ANumberBelowItsFlagsMinimumIsRefused) {
  const auto status_of = [this](const std::string& text) {
    Flags flags(Help{});
    flags.Add("cas", "", &cas_, -1);
    return flags.Parse({"-cas", text});
  };
  EXPECT_TRUE(status_of("-1").ok());
  EXPECT_EQ(cas_, -1);
  EXPECT_EQ(status_of("-2"), absl::InvalidArgumentError(
                                 "invalid value \"-2\" for flag -cas: it must be -1 or more"));
}

TEST_F(FlagsTest, HelpIsCancelledWhereverItStands) {
  EXPECT_EQ(flags_.Parse({"-cas=1", "-help"}).code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(Flags(Help{}).Parse({"thing", "--help"}).code(), absl::StatusCode::kCancelled);
}

TEST_F(FlagsTest, UsageSaysWhatACommandDoesWithExamplesFlagsAndEnvironment) {
  Flags flags({.usage = "test [flags] THING",
               .about = "Tests a thing.",
               .examples = {"belfry test -cas=1 thing"}});
  flags.Add("cas", "A number.", &cas_);
  flags.Add("dev", "Yes or no.", &dev_);
  flags.AddEnvironment("VAULT_ADDR", "Where.");
  EXPECT_EQ(flags.Usage(),
            "Usage: belfry test [flags] THING\n\nTests a thing.\n\nExamples:\n\n"
            "    $ belfry test -cas=1 thing\n\nOptions:\n\n  -cas=<value>\n      A number.\n\n"
            "  -dev\n      Yes or no.\n\nEnvironment:\n\n  VAULT_ADDR\n      Where.\n");
}

TEST_F(FlagsTest, TheShortUsageIsTheFirstLineAndTheWayToTheRest) {
  EXPECT_EQ(flags_.ShortUsage(),
            "Usage: belfry test [flags] THING\n-help shows flags and examples.\n");
}

TEST_F(FlagsTest, WrongNumbersOfArgumentsAreToldInVaultsWords) {
  ASSERT_TRUE(flags_.Parse({"a", "b"}).ok());
  EXPECT_EQ(flags_.ExpectArguments(1, 1).message(), "Too many arguments (expected 1, got 2)");
  EXPECT_EQ(flags_.ExpectArguments(3, 3).message(), "Not enough arguments (expected 3, got 2)");
}

}  // namespace
}  // namespace belfry::cli
