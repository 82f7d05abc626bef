#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace belfry::storage {

// A change: a value for a key, or, without one, its end. The views must live while it is used.
struct Operation {
  std::string_view key;
  std::optional<std::string_view> value;
};

// Keys and values, as bytes. Thread-safe; a Put that has returned OK is seen by every later Get.
// Keys are '/'-separated paths; a key that contains ".." is InvalidArgument "relative paths not
// supported", a text that plugins compare.
class Storage {
 public:
  virtual ~Storage() = default;
  // nullopt: no such key.
  virtual absl::StatusOr<std::optional<std::string>> Get(std::string_view key) const = 0;
  virtual absl::Status Put(std::string_view key, std::string_view value) = 0;
  // OK when there was none.
  virtual absl::Status Delete(std::string_view key) = 0;
  // All of them, in this order, or none; no Get or List sees a part.
  virtual absl::Status Apply(std::span<const Operation> operations) = 0;
  // What is directly below `prefix` (empty, or ending in '/'), without it, in lexical order, each
  // name once; folders end in '/'.
  virtual absl::StatusOr<std::vector<std::string>> List(std::string_view prefix) const = 0;
};

// In memory, lost with the process.
std::unique_ptr<Storage> NewInMemoryStorage();

// The part of `base` below `prefix` (ending in '/') as a storage of its own. `base` must outlive
// it.
std::unique_ptr<Storage> NewView(Storage* base, std::string prefix);

// Deletes every key below `prefix`.
absl::Status DeleteAll(Storage& storage, std::string_view prefix);

}  // namespace belfry::storage
