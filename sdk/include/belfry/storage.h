#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "belfry/events.h"
#include "belfry/json.h"

namespace belfry {

// Changes that belong together, and the events that tell of them. A value.
class StorageBatch {
 public:
  struct Operation {
    std::string key;
    std::optional<std::string> value;  // nullopt: the key is to go.
  };

  StorageBatch& Put(std::string key, std::string value);
  StorageBatch& PutJson(std::string key, const Json& value);
  StorageBatch& Delete(std::string key);
  // As EventSender::SendOrLog, once the changes are stored.
  StorageBatch& AddEvent(std::string type, EventMetadata metadata);

  const std::vector<Operation>& operations() const { return operations_; }
  const std::vector<Event>& events() const { return events_; }

 private:
  std::vector<Operation> operations_;
  std::vector<Event> events_;
};

// The mount's own keys; nobody else's. They live in the host, behind its encryption.
//
// Threads: safe to use from several at once.
// Lifetime: a request's storage is valid during its handler.
// Cost: each call is a round trip to the host. A Put that has returned OK is seen by every later
// Get, and is as durable as the host's storage. Errors: FailedPrecondition when the host is
// read-only at this moment (during start-up, always); Unavailable when the host is gone;
// DeadlineExceeded and Cancelled as for the request.
// Limits: keys are '/'-separated UTF-8 without ".." segments; those below ".belfry/" are the SDK's
// own, and no List of the root shows them; a value may have up to 1 MiB where
// the host sets no other limit.
class Storage {
 public:
  virtual ~Storage() = default;
  // nullopt: there is no such key.
  virtual absl::StatusOr<std::optional<std::string>> Get(std::string_view key) = 0;
  [[nodiscard]] virtual absl::Status Put(std::string_view key, std::string_view value) = 0;
  // OK when there was none.
  [[nodiscard]] virtual absl::Status Delete(std::string_view key) = 0;
  // All of the batch in one round trip: a reader sees everything of it or nothing, and so does who
  // comes after a crash. Its events are accepted, in their order, before this returns; one that is
  // refused is logged and undoes nothing. After an error nothing has changed and nobody was told,
  // but after Unavailable, DeadlineExceeded and Cancelled it may have been done. ResourceExhausted:
  // more than 4,096 changes or events.
  //
  // Hosts other than Belfry do it one by one, in order: put last what makes the rest visible, and
  // first what hides it. There, a Put that fails ends it, and so does the first change of all;
  // after a later Delete that fails the rest is done and told, and the status is Aborted.
  [[nodiscard]] virtual absl::Status Apply(const StorageBatch& batch) = 0;
  // What is directly below `prefix` (empty, or ending in '/'), without it; folders end in '/'. In
  // lexical order.
  virtual absl::StatusOr<std::vector<std::string>> List(std::string_view prefix) = 0;

  // The same for JSON values. DataLoss when what is stored at the key is no JSON; the message has
  // the key, and nothing of the value.
  absl::StatusOr<std::optional<Json>> GetJson(std::string_view key);
  [[nodiscard]] absl::Status PutJson(std::string_view key, const Json& value);
};

}  // namespace belfry
