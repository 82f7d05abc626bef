#pragma once

namespace belfry::simulation {

// What is planted around the real objects, so that the checker can show that it would find it.
enum class Bug {
  kNone,
  kPublishBeforeCommit,
  kCursorGivenTwice,
  kGapBetweenReplayAndLive,
  kJudgedByOldPolicy,
  kAcknowledgedBeforeSync,
};

}  // namespace belfry::simulation
