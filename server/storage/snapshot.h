#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "server/storage/storage.h"

namespace belfry::storage {

// All that a storage held at one moment, to be read once from its first key to its last, while
// others go on writing. Not thread-safe. What it is of must outlive it.
class Snapshot {
 public:
  virtual ~Snapshot() = default;
  // The next entries: one, and further ones as long as they have fewer than `bytes` bytes together.
  // None: there are no more. After an error it is of no use.
  virtual absl::StatusOr<std::vector<Entry>> Next(std::size_t bytes) = 0;
};

// The same without the journal and all else below kOrderedKeys (physical_storage.h), which belongs
// to this life of the data: what is restored begins another one.
std::unique_ptr<Snapshot> WithoutOrderedKeys(std::unique_ptr<Snapshot> all);

}  // namespace belfry::storage
