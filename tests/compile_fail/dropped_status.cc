// Whether an event was accepted, or a value stored, is for the caller to decide about.
// EXPECT: ignoring return value of (?:.*Send|function declared with .nodiscard)
#include "belfry/events.h"

void Tell(belfry::EventSender& events) {
#ifdef MISUSE
  events.Send("notes/write", {.path = "a"});
#else
  if (!events.Send("notes/write", {.path = "a"}).ok()) return;
  events.SendOrLog("notes/write", {.path = "a"});
#endif
}
