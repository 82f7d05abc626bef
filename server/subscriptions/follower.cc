#include "server/subscriptions/follower.h"

#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "server/bus/event_fields.h"

namespace belfry::subscriptions {
namespace {

// After so long others have their turn.
constexpr absl::Duration kTurn = absl::Milliseconds(1);

bool Matches(const bus::Filter& filter, const storage::AcceptedEvent& event) {
  logical::EventReceived message;
  // What was accepted can be read.
  (void)message.ParseFromString(event.bytes);
  return filter.Matches(bus::FieldsOf(message));
}

}  // namespace

Follower::Follower(const FollowEnvironment& environment, FollowOptions options)
    : environment_(environment),
      pattern_(std::move(options.pattern)),
      owner_(std::move(options.owner)),
      format_(options.format),
      subscriber_(std::move(options.subscriber)),
      event_authorizer_(std::move(options.event_authorizer)),
      gap_(std::move(options.start.gap)),
      position_(options.start.after) {
  if (options.start.known) known_ = position_;
}

void Follower::Wake() {
  if (Resume(State::kAtEnd)) PostTurn();
}

void Follower::RequestBookmark() {
  bookmark_due_ = true;
  Wake();
}

void Follower::End() {
  MutexLock lock(&mutex_);
  state_ = State::kEnded;
}

bool Follower::Resume(State from) {
  MutexLock lock(&mutex_);
  if (state_ != from) return false;
  state_ = State::kWorking;
  return true;
}

void Follower::PostTurn() {
  environment_.turns->Add();
  environment_.executor->PostAlwaysFor(
      owner_, [self = shared_from_this(), turns = environment_.turns]() mutable {
        self->TakeTurn();
        // Perhaps with its authorizer, before what that asks may go.
        self = nullptr;
        turns->Done();
      });
}

void Follower::TakeTurn() {
  {
    MutexLock lock(&mutex_);
    if (state_ == State::kEnded) return;
  }
  bus::Tally tally;
  const State next = Work(tally);
  environment_.counters->Add(tally);
  // Who waits holds nothing.
  if (next != State::kWorking) blocks_ = {};
  switch (next) {
    case State::kAtEnd:
      return AwaitEvents();
    case State::kFull:
      return AwaitRoom();
    case State::kWorking:
      subscriber_->OnPause(position_, Subscriber::Pause::kGoesOn);
      return PostTurn();
    case State::kEnded:
      return End();
  }
}

// What came between the last look and the change of the state has woken nothing.
void Follower::AwaitEvents() {
  const std::uint64_t position = position_;
  subscriber_->OnPause(position, Subscriber::Pause::kWaits);
  {
    MutexLock lock(&mutex_);
    if (state_ == State::kEnded) return;
    state_ = State::kAtEnd;
  }
  if (environment_.journal->Kept().last > position) Wake();
}

void Follower::AwaitRoom() {
  subscriber_->OnPause(position_, Subscriber::Pause::kWaits);
  {
    MutexLock lock(&mutex_);
    if (state_ == State::kEnded) return;
    state_ = State::kFull;
  }
  const auto go_on = [](const std::shared_ptr<Follower>& self) {
    if (self != nullptr && self->Resume(State::kFull)) self->PostTurn();
  };
  // Weak: the subscriber may outlive its subscription.
  const bool room =
      subscriber_->AwaitRoom([weak = weak_from_this(), go_on] { go_on(weak.lock()); });
  if (room) go_on(shared_from_this());
}

Follower::State Follower::Work(bus::Tally& tally) {
  if (gap_) {
    if (const auto state = OfferGap(*gap_)) return *state;
    gap_.reset();
  }
  if (blocks_.empty()) {
    absl::StatusOr<std::vector<journal::BlockPtr>> read = environment_.journal->Read(position_);
    if (!read.ok()) {
      environment_.logger.Error("the journal cannot be read",
                                {{"error", std::string(read.status().message())}});
      subscriber_->End("the journal cannot be read");
      return State::kEnded;
    }
    blocks_ = *std::move(read);
  }
  if (blocks_.empty()) return OfferBookmark().value_or(State::kAtEnd);
  // After the reading: what was written once a right had been given is seen by that right.
  policy_version_ = event_authorizer_->Refresh();
  return OfferBlocks(tally);
}

Follower::State Follower::OfferBlocks(bus::Tally& tally) {
  const SteadyTime end = environment_.clock->Steady() + kTurn;
  for (const journal::BlockPtr& block : blocks_) {
    if (block->last() <= position_) continue;
    for (const storage::AcceptedEvent& event : block->events) {
      if (event.sequence <= position_) continue;
      if (const auto state = Advance(event, tally)) return *state;
      if (environment_.clock->Steady() >= end) return State::kWorking;
    }
  }
  blocks_.clear();
  return State::kWorking;
}

std::optional<Follower::State> Follower::Advance(const storage::AcceptedEvent& event,
                                                 bus::Tally& tally) {
  if (!subscriber_->HasRoom()) return State::kFull;
  if (event.sequence > position_ + 1) {
    const encode::Gap gap = {.reason = "expired", .after = PlaceAt(position_).cursor};
    position_ = event.sequence - 1;
    if (const auto state = OfferGap(gap)) return state;
  }
  ++tally.published;
  if (Wants(event, tally)) {
    switch (subscriber_->Offer(FrameOf(event), policy_version_)) {
      case bus::OfferResult::kAccepted:
        ++tally.delivered;
        known_ = event.sequence;
        break;
      case bus::OfferResult::kFull:
        ++tally.missed;
        return State::kEnded;
      case bus::OfferResult::kClosed:
        ++tally.abandoned;
        return State::kEnded;
    }
  }
  position_ = event.sequence;
  return std::nullopt;
}

// Of old events each follower makes its own: others will hardly ask for the same.
bus::Frame Follower::FrameOf(const storage::AcceptedEvent& event) const {
  const auto make = [&] {
    return std::make_shared<const bus::Message>(
        bus::Message{.bytes = encode::EncodeDelivery(format_, event, PlaceAt(event.sequence)),
                     .path = event.path,
                     .type = event.type});
  };
  const bool is_old = event.sequence + FrameCache::kEvents <= environment_.journal->Kept().last;
  return is_old ? make() : environment_.frames->Get(event.sequence, format_, make);
}

bool Follower::Wants(const storage::AcceptedEvent& event, bus::Tally& tally) {
  if (!pattern_.Matches(event)) {
    ++tally.filtered;
    return false;
  }
  if (!event_authorizer_->Allows(event.path, event.type)) {
    ++tally.denied;
    return false;
  }
  if (pattern_.filter != nullptr && !Matches(*pattern_.filter, event)) {
    ++tally.filtered;
    return false;
  }
  return true;
}

std::optional<Follower::State> Follower::OfferGap(const encode::Gap& gap) {
  return OfferNotice(bus::Message::Kind::kGap, encode::EncodeGap(format_, gap, PlaceAt(position_),
                                                                 environment_.clock->Now()));
}

std::optional<Follower::State> Follower::OfferBookmark() {
  if (!bookmark_due_.exchange(false) || known_ == position_) return std::nullopt;
  return OfferNotice(
      bus::Message::Kind::kBookmark,
      encode::EncodeBookmark(format_, PlaceAt(position_), environment_.clock->Now()));
}

// There is always room for it: few come, and an offer may fill far more.
std::optional<Follower::State> Follower::OfferNotice(bus::Message::Kind kind, std::string bytes) {
  const auto frame =
      std::make_shared<const bus::Message>(bus::Message{.bytes = std::move(bytes), .kind = kind});
  if (subscriber_->Offer(frame, policy_version_) != bus::OfferResult::kAccepted)
    return State::kEnded;
  known_ = position_;
  return std::nullopt;
}

encode::Place Follower::PlaceAt(std::uint64_t sequence) const {
  const journal::Cursor cursor = {.epoch = environment_.journal->epoch(), .sequence = sequence};
  return {.cursor = cursor.ToString(), .sequence = cursor.SortableSequence()};
}

}  // namespace belfry::subscriptions
