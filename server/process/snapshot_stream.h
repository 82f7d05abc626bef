#pragma once

#include <memory>

#include "base/executor.h"
#include "base/logging.h"
#include "server/api/body_stream.h"
#include "server/storage/snapshot.h"
#include "server/storage/snapshot_file.h"

namespace belfry::process {

// A snapshot as the bytes of its file. The executor, which reads it, must outlive the stream.
std::shared_ptr<api::BodyStream> NewSnapshotStream(std::unique_ptr<storage::Snapshot> snapshot,
                                                   storage::SnapshotInfo info, Executor* executor,
                                                   Logger logger);

}  // namespace belfry::process
