#include "server/api/refusal_log.h"

#include <gtest/gtest.h>

#include <memory>

#include "base/testing.h"

namespace belfry::api {
namespace {

TEST(RefusalLogTest, OnePluginsRefusedAnswersAreBoundedLinesAndTakeNoOthers) {
  RefusalLog refusals;
  const auto sink = std::make_shared<RecordingLogSink>();
  const Logger logger(sink, "api");
  mounts::MountEntry entry;
  entry.path = "a/";
  entry.type = "evil";
  for (int i = 0; i < 1000; ++i)
    refusals.Write(logger, entry, "1", RefusedPart::kRedirect, "elsewhere");
  EXPECT_EQ(sink->Lines().size(), 10u);
  // Another mount of it is no way around.
  entry.path = "b/";
  refusals.Write(logger, entry, "1", RefusedPart::kRedirect, "elsewhere");
  EXPECT_EQ(sink->Lines().size(), 10u);
  refusals.Write(logger, entry, "1", RefusedPart::kHeader, "a header");
  entry.type = "good";
  refusals.Write(logger, entry, "1", RefusedPart::kRedirect, "elsewhere");
  EXPECT_EQ(sink->Lines().size(), 12u);
  EXPECT_EQ(sink->Lines()[11],
            "api: an answer of a plugin was refused: mount=b/ plugin=good "
            "request_id=1 reason=elsewhere suppressed=0");
}

}  // namespace
}  // namespace belfry::api
