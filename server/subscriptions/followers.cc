#include "server/subscriptions/followers.h"

#include <utility>
#include <vector>

#include "absl/time/time.h"

namespace belfry::subscriptions {
namespace {

// So often a subscriber that gets nothing is told how far it has come.
constexpr absl::Duration kBookmarkInterval = absl::Seconds(5);

}  // namespace

class Followers::Handle final : public bus::Subscription {
 public:
  Handle(Followers* all, std::shared_ptr<Follower> follower)
      : all_(all), follower_(std::move(follower)) {}
  ~Handle() override {
    follower_->End();
    all_->subscriptions_.Add(-1);
    MutexLock lock(&all_->mutex_);
    all_->followers_.erase(follower_);
  }

 private:
  Followers* const all_;
  const std::shared_ptr<Follower> follower_;
};

Followers::Followers(const journal::Journal* journal, const Clock* clock, Scheduler* scheduler,
                     Metrics* metrics, std::unique_ptr<Executor> executor, Logger logger)
    : journal_(journal),
      subscriptions_(metrics->GetGauge("belfry_events_subscriptions", "Subscriptions open.")),
      counters_(metrics),
      executor_(std::move(executor)),
      environment_({.journal = journal,
                    .clock = clock,
                    .executor = executor_.get(),
                    .turns = &turns_,
                    .counters = &counters_,
                    .frames = &frames_,
                    .logger = std::move(logger)}),
      bookmarks_(Repeat(scheduler, kBookmarkInterval,
                        [this] { WakeAllLater(&Follower::RequestBookmark); })) {}

void Followers::Stop() {
  bookmarks_ = nullptr;
  turns_.Wait();
}

std::unique_ptr<bus::Subscription> Followers::Follow(FollowOptions options) {
  auto follower = std::make_shared<Follower>(environment_, std::move(options));
  {
    MutexLock lock(&mutex_);
    followers_.insert(follower);
  }
  subscriptions_.Add(1);
  follower->Wake();
  return std::make_unique<Handle>(this, std::move(follower));
}

void Followers::OnMore() {
  if (!waking_.exchange(true)) WakeAllLater(&Follower::Wake);
}

void Followers::WakeAllLater(void (Follower::*wake)()) {
  turns_.Add();
  executor_->PostAlways([this, wake] {
    // What comes from now on wakes them again.
    waking_ = false;
    WakeAll(wake);
    turns_.Done();
  });
}

void Followers::WakeAll(void (Follower::*wake)()) {
  std::vector<std::shared_ptr<Follower>> all;
  {
    MutexLock lock(&mutex_);
    all.assign(followers_.begin(), followers_.end());
  }
  for (const std::shared_ptr<Follower>& follower : all) ((*follower).*wake)();
}

Start Followers::After(const journal::Cursor& cursor) const {
  const journal::Journal::Range kept = journal_->Kept();
  const auto gap = [&cursor](const char* reason) {
    return encode::Gap{.reason = reason, .after = cursor.ToString()};
  };
  if (cursor.epoch != journal_->epoch()) return {.after = kept.last, .gap = gap("epoch")};
  if (cursor.sequence > kept.last) return {.after = kept.last, .gap = gap("ahead")};
  if (cursor.sequence + 1 < kept.first) return {.after = kept.first - 1, .gap = gap("expired")};
  return {.after = cursor.sequence, .known = true, .gap = std::nullopt};
}

Start Followers::Earliest() const {
  return {.after = journal_->Kept().first - 1, .gap = std::nullopt};
}

Start Followers::Latest() const {
  return {.after = journal_->Kept().last, .gap = std::nullopt};
}

}  // namespace belfry::subscriptions
