// An event's metadata are named members, not texts in pairs.
// EXPECT: no (?:non-static data )?member named .datapath|does not refer to any field
#include "belfry/events.h"

void Tell(belfry::EventSender& events) {
#ifdef MISUSE
  events.SendOrLog("notes/write", belfry::EventMetadata{.path = "a", .datapath = "a"});
#else
  events.SendOrLog("notes/write", belfry::EventMetadata{.path = "a", .data_path = "a"});
#endif
}
