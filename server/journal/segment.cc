#include "server/journal/segment.h"

#include <algorithm>

#include "proto/belfry/v1/journal.pb.h"

namespace belfry::journal {
namespace {

// So finely the bounds are kept.
constexpr std::uint64_t kSegments = 16;
constexpr std::uint64_t kMostSegmentBytes = std::uint64_t{4} << 20;

}  // namespace

std::uint64_t Retention::SegmentBytes() const {
  return std::min(max_bytes / kSegments, kMostSegmentBytes);
}

absl::Duration Retention::SegmentSpan() const {
  return max_age / kSegments;
}

std::string EncodeSegment(const Segment& segment) {
  v1::JournalSegment stored;
  stored.set_first(segment.first);
  stored.set_last(segment.last);
  stored.set_bytes(segment.bytes);
  stored.set_accepted(absl::ToUnixNanos(segment.accepted));
  stored.set_hash(segment.hash);
  return stored.SerializeAsString();
}

std::optional<Segment> DecodeSegment(std::string_view bytes) {
  v1::JournalSegment stored;
  if (!stored.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return std::nullopt;
  if (stored.first() == 0 || stored.last() < stored.first()) return std::nullopt;
  return Segment{.first = stored.first(),
                 .last = stored.last(),
                 .bytes = stored.bytes(),
                 .accepted = absl::FromUnixNanos(stored.accepted()),
                 .hash = stored.hash()};
}

}  // namespace belfry::journal
