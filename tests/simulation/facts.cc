#include "tests/simulation/facts.h"

#include <algorithm>
#include <charconv>

#include "tests/simulation/text.h"

namespace belfry::simulation {

namespace {

// What the simulation puts there.
std::size_t NumberOf(const storage::AcceptedEvent& event) {
  std::size_t number = 0;
  std::from_chars(event.mount.data(), event.mount.data() + event.mount.size(), number);
  return number;
}

}  // namespace

bool Event::IsFor(const Interest& interest) const {
  if (!interest.operation.empty() && operation != interest.operation) return false;
  if (!interest.type.ends_with('*')) return type == interest.type;
  return type.starts_with(std::string_view(interest.type).substr(0, interest.type.size() - 1));
}

std::size_t Facts::NewEvent(Event event) {
  event.id = Text("e", events_.size());
  by_id_.emplace(event.id, events_.size());
  events_.push_back(std::move(event));
  return events_.size() - 1;
}

std::size_t Facts::BeginWrite(const std::vector<std::string>& keys,
                              std::vector<std::size_t> events) {
  WriteRecord write{.events = std::move(events)};
  for (const std::string& key : keys) write.changes.emplace_back(key, ++keys_[key].last_number);
  open_writes_.push_back(writes_.size());
  writes_.push_back(std::move(write));
  return writes_.size() - 1;
}

void Facts::OnDone(std::size_t number, const absl::Status& status) {
  WriteRecord& write = writes_[number];
  // Whether it is there all the same, the next start tells.
  if (!status.ok() && !absl::IsUnavailable(status)) return;
  std::erase(open_writes_, number);
  if (!status.ok()) {
    write.refused = true;
    return;
  }
  for (const auto& [name, value] : write.changes)
    keys_[name].certain = std::max(keys_[name].certain, value);
  for (const std::size_t event : write.events) {
    if (events_[event].sequence == 0)
      history_->Violate(Text("a write was acknowledged without its event ", events_[event].id));
  }
}

void Facts::OnRecorded(storage::CommittedEvents events) {
  recorded_.clear();
  for (const auto& some : events) {
    for (const storage::AcceptedEvent& event : some) {
      const std::uint64_t expected = last() + recorded_.size() + 1;
      const std::size_t known = NumberOf(event);
      if (event.sequence <= last()) {
        history_->Violate(Text("the cursor ", event.sequence, " is given to ", events_[known].id,
                               " and was given to ", At(event.sequence)->id));
      } else if (event.sequence != expected) {
        history_->Violate(Text("the cursor ", event.sequence, " is given instead of ", expected));
      }
      events_[known].policy_version = policies_->acknowledged_version();
      recorded_.emplace_back(event.sequence, known);
    }
  }
}

void Facts::OnStored() {
  for (const auto& [sequence, number] : std::exchange(recorded_, {})) {
    if (sequence != last() + 1) continue;  // A violation already.
    events_[number].sequence = sequence;
    by_sequence_.push_back(number);
  }
}

absl::Status Facts::RecoverEvents(const journal::Journal& journal) {
  const journal::Journal::Range kept = journal.Kept();
  if (kept.last < last()) {
    history_->Violate(
        Text("after the start the journal ends at ", kept.last, ", and had stored up to ", last()));
    return absl::OkStatus();
  }
  if (kept.last != last() && kept.last != last() + uncertain_.size()) {
    history_->Violate(
        Text("after the start the journal ends at ", kept.last, ", within one write"));
  }
  for (std::uint64_t place = kept.first - 1; place < kept.last;) {
    const absl::StatusOr<std::vector<journal::BlockPtr>> blocks = journal.Read(place);
    if (!blocks.ok()) return blocks.status();
    if (blocks->empty() || blocks->front()->first() > place + 1) {
      history_->Violate(Text("the journal has nothing behind ", place));
      break;
    }
    for (const journal::BlockPtr& block : *blocks) {
      for (const storage::AcceptedEvent& event : block->events) {
        if (event.sequence > place) CheckOrLearn(event);
      }
      place = block->last();
    }
  }
  uncertain_.clear();
  recorded_.clear();
  offered_ = last();
  return absl::OkStatus();
}

void Facts::CheckOrLearn(const storage::AcceptedEvent& event) {
  if (event.sequence > last()) {
    if (event.sequence != last() + 1 || uncertain_.empty()) {
      history_->Violate(Text("the journal has an event at ", event.sequence, " that nobody wrote"));
      return;
    }
    const std::size_t number = uncertain_.front().second;
    uncertain_.erase(uncertain_.begin());
    events_[number].sequence = event.sequence;
    by_sequence_.push_back(number);
  }
  const Event& known = *At(event.sequence);
  if (NumberOf(event) != by_sequence_[event.sequence - 1] || event.type != known.type ||
      event.path != known.path) {
    history_->Violate(
        Text("the journal has another event at ", event.sequence, " than ", known.id));
  }
}

void Facts::CheckKey(const std::string& name, Key& key, const std::optional<std::string>& value) {
  std::uint64_t number = 0;
  if (value) std::from_chars(value->data(), value->data() + value->size(), number);
  if (number < key.certain) {
    history_->Violate(Text("the write of ", name, " ", key.certain,
                           " was acknowledged, and after the start there is ", number));
  } else if (number > key.last_number) {
    history_->Violate(Text("nobody wrote ", name, " ", number));
  }
  key.certain = number;
}

void Facts::Resolve(WriteRecord& write, const std::map<std::string, std::uint64_t>& values) {
  std::size_t there = 0;
  for (const auto& [name, number] : write.changes) {
    // Nothing was written after it, but for what was written together with it.
    if (values.at(name) >= number) ++there;
  }
  for (const std::size_t event : write.events) {
    if (events_[event].sequence != 0) ++there;
  }
  if (there != 0 && there != write.changes.size() + write.events.size()) {
    history_->Violate(Text("of a write with ", write.changes.size(), " changes and ",
                           write.events.size(), " events ", there, " are there"));
  }
}

void Facts::BeginEpoch() {
  by_sequence_.clear();
  recorded_.clear();
  uncertain_.clear();
  offered_ = 0;
}

const Event* Facts::At(std::uint64_t sequence) const {
  if (sequence == 0 || sequence > last()) return nullptr;
  return &events_[by_sequence_[sequence - 1]];
}

const Event* Facts::Named(std::string_view id) const {
  const auto it = by_id_.find(id);
  return it == by_id_.end() ? nullptr : &events_[it->second];
}

const Event* Facts::FirstOwed(const Interest& interest, std::uint64_t after,
                              std::uint64_t up_to) const {
  for (std::uint64_t sequence = after + 1; sequence <= std::min(up_to, last()); ++sequence) {
    const Event& event = *At(sequence);
    if (event.IsFor(interest) && policies_->AllowedSince(event.policy_version, interest.group,
                                                         Policies::FolderOf(event.path)))
      return &event;
  }
  return nullptr;
}

}  // namespace belfry::simulation
