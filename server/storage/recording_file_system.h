#pragma once

#include <memory>

#include "rocksdb/file_system.h"
#include "server/storage/data_directory.h"

namespace belfry::storage {

// `base`, with what RocksDB syncs recorded in `directory`, which is verified when RocksDB has
// locked it and has read nothing yet. All files that it creates are for their owner alone.
std::shared_ptr<rocksdb::FileSystem> NewRecordingFileSystem(
    std::shared_ptr<rocksdb::FileSystem> base, std::unique_ptr<DataDirectory> directory);

}  // namespace belfry::storage
