#include "plugins/kv/formats.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <random>
#include <string>

#include "absl/time/time.h"

namespace belfry::kv {
namespace {

// What FormatTimestamp stands for.
std::string Slowly(absl::Time time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E*SZ", time, absl::UTCTimeZone());
}

TEST(Timestamps, AreWrittenAsAbseilWritesThem) {
  std::mt19937_64 random(1);
  // Beyond the years of four digits at both ends.
  std::uniform_int_distribution<std::int64_t> seconds(-70'000'000'000, 300'000'000'000);
  std::uniform_int_distribution<std::int64_t> nanoseconds(0, 999'999'999);
  for (int i = 0; i < 20'000; ++i) {
    const std::int64_t fraction = nanoseconds(random);
    for (const std::int64_t shown : {fraction, fraction / 1'000'000 * 1'000'000, std::int64_t{0}}) {
      const absl::Time time = absl::FromUnixSeconds(seconds(random)) + absl::Nanoseconds(shown);
      ASSERT_EQ(FormatTimestamp(time), Slowly(time));
    }
  }
}

TEST(Timestamps, OfTheEndsOfWhatIsWrittenQuicklyAreRight) {
  for (const char* text : {"0999-12-31T23:59:59.999999999Z", "1000-01-01T00:00:00Z",
                           "1969-12-31T23:59:59.5Z", "1970-01-01T00:00:00Z",
                           "2024-02-29T12:34:56.00000001Z", "9999-12-31T23:59:59.999999999Z"}) {
    const absl::Time time = ParseTimestamp(text);
    EXPECT_EQ(FormatTimestamp(time), Slowly(time)) << text;
    EXPECT_EQ(ParseTimestamp(FormatTimestamp(time)), time) << text;
  }
  const absl::Time quarter = absl::UnixEpoch() + absl::Nanoseconds(1) / 4;
  EXPECT_EQ(FormatTimestamp(quarter), Slowly(quarter));
  EXPECT_EQ(FormatTimestamp(absl::InfinitePast()), "");
  EXPECT_EQ(FormatTimestamp(absl::InfiniteFuture()), Slowly(absl::InfiniteFuture()));
}

}  // namespace
}  // namespace belfry::kv
