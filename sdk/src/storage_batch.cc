#include <utility>

#include "belfry/storage.h"

namespace belfry {

StorageBatch& StorageBatch::Put(std::string key, std::string value) {
  operations_.push_back({std::move(key), std::move(value)});
  return *this;
}

StorageBatch& StorageBatch::Delete(std::string key) {
  operations_.push_back({std::move(key), std::nullopt});
  return *this;
}

StorageBatch& StorageBatch::Tell(std::string type, EventMetadata metadata) {
  events_.push_back({std::move(type), std::move(metadata)});
  return *this;
}

}  // namespace belfry
