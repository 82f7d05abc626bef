#pragma once

#include <cstddef>
#include <span>

#include "server/storage/accepted_event.h"

namespace belfry::storage {

// Gets every event once it is committed. Called by one thread at a time, which commits nothing
// else meanwhile: it must not block.
class EventObserver {
 public:
  virtual ~EventObserver() = default;
  // The events of one batch or of a part of it, in the one order. They are the batch's, and gone
  // when this has returned.
  virtual void OnEvents(std::span<const AcceptedEvent> events) = 0;
  // How many events of a batch without operations it wants at once; then others that commit have
  // their turn. At least 1.
  virtual std::size_t MostEventsAtOnce() const = 0;
};

}  // namespace belfry::storage
