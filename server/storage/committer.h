#pragma once

#include <memory>

#include "server/storage/event_log.h"
#include "server/storage/event_observer.h"
#include "server/storage/physical_storage.h"
#include "server/storage/storage.h"

namespace belfry::storage {

// The storage that gives all batches their one order. When nobody else commits, a batch is
// committed by the thread that brings it, which spares a change of thread, and with it, as one
// write, what has come meanwhile; all else by a thread of its own, and so is whatever is written
// where writes wait for a disk: all that has come while it wrote is its next write, and a second
// thread runs the Dones of the last one meanwhile. Where there is a log, its records are part of
// the write of the changes that their events tell of; else events are written nowhere, and numbered
// from 1. All must outlive it; `observer` and `log` may be null. Destroy it when nobody commits any
// more, in a Done either.
std::unique_ptr<Storage> NewCommitter(PhysicalStorage* physical, EventObserver* observer,
                                      EventLog* log = nullptr);

// A committer over memory of its own.
std::unique_ptr<Storage> NewInMemoryStorage(EventObserver* observer = nullptr);

}  // namespace belfry::storage
