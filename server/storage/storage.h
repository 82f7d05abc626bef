#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/storage/write_batch.h"

namespace belfry::storage {

struct Entry {
  std::string key;
  std::string value;
};

// Keys and values, as bytes, and the one order of all that happens. Thread-safe.
// Keys are '/'-separated paths; a key that contains ".." is InvalidArgument "relative paths not
// supported", a text that plugins compare. (plugin-protocol 5.8)
class Storage {
 public:
  // Runs once, with what came of a commit. It may commit more, but must neither block nor wait for
  // another commit: what is to be done after later ones waits for it.
  using Done = absl::AnyInvocable<void(absl::Status)>;

  virtual ~Storage() = default;
  // nullopt: no such key.
  virtual absl::StatusOr<std::optional<std::string>> Get(std::string_view key) const = 0;
  // What is directly below `prefix` (empty, or ending in '/'), without it, in lexical order, each
  // name once; folders end in '/'.
  virtual absl::StatusOr<std::vector<std::string>> List(std::string_view prefix) const = 0;
  // The first `limit` entries whose keys begin with `prefix` (empty, or ending in '/') and come
  // after the key `after` (empty: from the first), in an order of the storage's own that does not
  // change. Fewer: there are no more.
  virtual absl::StatusOr<std::vector<Entry>> Scan(std::string_view prefix, std::string_view after,
                                                  std::size_t limit) const = 0;
  // Does all of the batch or nothing, in one order for all who commit: its operations in turn, then
  // its events get their places and reach whoever observes them, then `done` runs. By then
  // every Get sees the batch, and none has seen a part. Never waits for another commit: when one is
  // under way, `done` runs later, on another thread. Batches without operations let the others go
  // first, and theirs too have their turns: a long one may come in parts between which others
  // commit.
  virtual void Commit(WriteBatch batch, Done done) = 0;
};

// Commits and waits for the end of it: on no thread of gRPC or of the network, and in no Done.
absl::Status CommitAndWait(Storage& storage, WriteBatch batch);
// The same with one operation.
absl::Status Put(Storage& storage, std::string_view key, std::string_view value);
absl::Status Delete(Storage& storage, std::string_view key);

// Calls `visit` with every entry below `prefix`, in no order that means anything, page by page;
// stops at the first error, of storage or of `visit`.
absl::Status ForEach(const Storage& storage, std::string_view prefix,
                     const absl::AnyInvocable<absl::Status(const Entry&) const>& visit);

// Deletes every key below `prefix`, page by page, and waits for it.
absl::Status DeleteAll(Storage& storage, std::string_view prefix);

// The part of `base` below `prefix` (ending in '/') as a storage of its own. `base` must outlive
// it.
std::unique_ptr<Storage> NewView(Storage* base, std::string prefix);

}  // namespace belfry::storage
