#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "server/storage/accepted_event.h"

namespace belfry::storage {

// A change: a value for a key, or, without one, its end.
struct Operation {
  std::string key;
  std::optional<std::string> value;
  // Not "": there is no value, and all keys from `key` up to this one, which stays, end. Only of
  // keys below kOrderedKeys (physical_storage.h).
  std::string end = {};
};

// What is committed together: changes, in this order, and the events that tell of them.
struct WriteBatch {
  std::vector<Operation> operations;
  std::vector<AcceptedEvent> events;

  void Put(std::string key, std::string value) {
    operations.push_back({std::move(key), std::move(value)});
  }
  void Delete(std::string key) { operations.push_back({std::move(key), std::nullopt}); }
  void DeleteRange(std::string first, std::string end) {
    operations.push_back({std::move(first), std::nullopt, std::move(end)});
  }
};

}  // namespace belfry::storage
