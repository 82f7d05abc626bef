#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "server/journal/journal.h"
#include "server/storage/event_log.h"
#include "tests/simulation/history.h"
#include "tests/simulation/policies.h"

namespace belfry::simulation {

// What one subscriber asks for.
struct Interest {
  std::string type;       // With a '*' at its end, or as the event's.
  std::string operation;  // "": any.
  std::size_t group = 0;
};

struct Event {
  std::string id;
  std::string type;
  std::string operation;
  std::string path;
  // Acknowledged when it was given its place: what allows it from then on lets it be seen.
  std::size_t policy_version = 0;
  std::uint64_t sequence = 0;  // 0: it is not stored, as far as is known.

  bool IsFor(const Interest& interest) const;
};

// What writers were told of one write.
struct WriteRecord {
  bool refused = false;                                        // Certainly nothing of it is there.
  std::vector<std::pair<std::string, std::uint64_t>> changes;  // Keys and their numbers.
  std::vector<std::size_t> events;                             // By their numbers.
};

// What has truly happened: which events are stored at which place, and which values of which keys.
// Whatever contradicts it is a violation. Not thread-safe.
class Facts {
 public:
  // Both must outlive it.
  Facts(History* history, const Policies* policies) : history_(history), policies_(policies) {}

  // Returns its number, which an AcceptedEvent has as its mount.
  std::size_t NewEvent(Event event);
  const Event& EventNumber(std::size_t number) const { return events_[number]; }
  // A write that begins; each of its keys gets its next number.
  std::size_t BeginWrite(const std::vector<std::string>& keys, std::vector<std::size_t> events);
  const WriteRecord& Write(std::size_t number) const { return writes_[number]; }
  bool nothing_is_open() const { return open_writes_.empty(); }
  void OnDone(std::size_t write, const absl::Status& status);

  // By the committer, in this order: the events have their places; they are stored, or may be from
  // the next start on, or neither; the bus has had them.
  void OnRecorded(storage::CommittedEvents events);
  void OnStored();
  void OnUncertain() { uncertain_ = std::exchange(recorded_, {}); }
  void OnRefused() { recorded_.clear(); }
  void OnOffered(std::uint64_t sequence) { offered_ = sequence; }

  // After a start: compares what is stored with what is known, and learns what was not. `value`
  // reads a key. An error is one of reading.
  template <typename Value>
  absl::Status Recover(const journal::Journal& journal, const Value& value);
  // The journal begins again.
  void BeginEpoch();

  // The last event that is stored, and the last that the bus has had.
  std::uint64_t last() const { return by_sequence_.size(); }
  std::uint64_t offered() const { return offered_; }
  // nullptr: there is none.
  const Event* At(std::uint64_t sequence) const;
  const Event* Named(std::string_view id) const;
  // The first event between these places, the last one included, that somebody who asks for this
  // had a right to throughout.
  const Event* FirstOwed(const Interest& interest, std::uint64_t after, std::uint64_t up_to) const;

 private:
  struct Key {
    std::uint64_t last_number = 0;  // Of those that were given.
    std::uint64_t certain = 0;      // At least this one is there.
  };

  absl::Status RecoverEvents(const journal::Journal& journal);
  void CheckOrLearn(const storage::AcceptedEvent& event);
  void CheckKey(const std::string& name, Key& key, const std::optional<std::string>& value);
  // Of a write of which the writer was told nothing, either all is there or nothing.
  void Resolve(WriteRecord& write, const std::map<std::string, std::uint64_t>& values);

  History* const history_;
  const Policies* const policies_;
  std::vector<Event> events_;
  std::map<std::string, std::size_t, std::less<>> by_id_;
  std::vector<WriteRecord> writes_;
  std::vector<std::size_t> open_writes_;  // Under way or unknown.
  std::map<std::string, Key> keys_;
  std::vector<std::size_t> by_sequence_;  // From 1 on.
  // With places: of the write under way, and of the one after which nothing was written.
  using Placed = std::vector<std::pair<std::uint64_t, std::size_t>>;
  Placed recorded_;
  Placed uncertain_;
  std::uint64_t offered_ = 0;
};

template <typename Value>
absl::Status Facts::Recover(const journal::Journal& journal, const Value& value) {
  if (absl::Status failed = RecoverEvents(journal); !failed.ok()) return failed;
  std::map<std::string, std::uint64_t> values;
  for (auto& [name, key] : keys_) {
    const absl::StatusOr<std::optional<std::string>> stored = value(name);
    if (!stored.ok()) return stored.status();
    CheckKey(name, key, *stored);
    values[name] = key.certain;
  }
  for (const std::size_t number : std::exchange(open_writes_, {})) Resolve(writes_[number], values);
  return absl::OkStatus();
}

}  // namespace belfry::simulation
