#pragma once

#include <string>

#include "absl/time/time.h"
#include "server/encode/encode.h"
#include "server/storage/accepted_event.h"

namespace belfry::encode {

// The frames of a stream that resumes: each says how far the stream has come with it. In JSON they
// are CloudEvents with the extension attributes "cursor" and "sequence", in binary
// belfry.v1.Delivery. Pure functions, thread-safe.

// Events are missing between `after` and the place that it comes with.
struct Gap {
  std::string reason;  // As in belfry.v1.Gap.
  std::string after;   // A cursor.
};

std::string EncodeDelivery(Format format, const storage::AcceptedEvent& event, const Place& place);
// Of the type "belfry.gap", with the reason and what to do as its data.
std::string EncodeGap(Format format, const Gap& gap, const Place& place, absl::Time now);
// Of the type "belfry.bookmark": nothing has come since the frame before.
std::string EncodeBookmark(Format format, const Place& place, absl::Time now);

}  // namespace belfry::encode
