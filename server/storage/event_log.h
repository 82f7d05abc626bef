#pragma once

#include <span>

#include "server/storage/accepted_event.h"
#include "server/storage/write_batch.h"

namespace belfry::storage {

// The events that are committed together, batch by batch.
using CommittedEvents = std::span<const std::span<AcceptedEvent>>;

// Keeps events where the changes are stored that caused them. Called by one thread at a time, which
// commits nothing else meanwhile: it must not block.
class EventLog {
 public:
  virtual ~EventLog() = default;
  // Gives the events their places in the one order, behind those that have been kept, and adds to
  // `records` what is to be stored with the changes that caused them. When it is called again
  // before Keep, nothing of it was stored, and the places are given again.
  virtual void Record(CommittedEvents events, WriteBatch* records) = 0;
  // The events that Record was given last are stored, and their observer has had them. It may take
  // what they hold.
  virtual void Keep(CommittedEvents events) = 0;
};

}  // namespace belfry::storage
