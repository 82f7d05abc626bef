#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/time/time.h"

namespace belfry::journal {

// How much is kept. Beyond either bound the oldest segments are deleted, but never the last closed
// one or the open one.
struct Retention {
  std::uint64_t max_bytes = std::uint64_t{64} << 20;
  absl::Duration max_age = absl::Hours(168);

  // A segment is closed when it has so many bytes, or spans so much time.
  std::uint64_t SegmentBytes() const;
  absl::Duration SegmentSpan() const;
};

// Blocks that follow each other, and are deleted together.
struct Segment {
  std::uint64_t first = 0;
  std::uint64_t last = 0;
  std::uint64_t bytes = 0;  // Of its blocks, as they are stored.
  absl::Time began;         // When its first and its last event were accepted.
  absl::Time accepted;
  std::string hash;  // Of its last block.
};

// What is stored of a closed one, in which `began` is not.
std::string EncodeSegment(const Segment& segment);
// nullopt: these are not the bytes of one.
std::optional<Segment> DecodeSegment(std::string_view bytes);

}  // namespace belfry::journal
