#include "server/subscriptions/history.h"

#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "base/mutex.h"
#include "base/text.h"

namespace belfry::subscriptions {
namespace {

// A page takes no further event once it has so many bytes.
constexpr std::size_t kMostBytes = std::size_t{1} << 20;
// A page is no longer read for than this, beside its wait: then it is what has been found.
constexpr absl::Duration kLongestScan = absl::Seconds(10);

// Gathers the frames of one page, and ends its subscription when it has it. Thread-safe.
class PageReader final : public Subscriber, public std::enable_shared_from_this<PageReader> {
 public:
  PageReader(const Followers* followers, const Clock* clock, Executor* executor,
             const HistoryQuestion& question, HistoryDone done)
      : followers_(followers),
        clock_(clock),
        deadline_(clock->Steady() + question.wait + kLongestScan),
        executor_(executor),
        most_(question.most),
        done_(std::move(done)),
        waits_(question.wait > absl::ZeroDuration()) {}

  // What it reads by, and what ends its wait. It may have its page already.
  void Keep(OpenedSubscription opened, std::unique_ptr<Timer> timer) {
    auto held = std::make_unique<Held>(Held{std::move(opened), std::move(timer)});
    {
      MutexLock lock(&mutex_);
      if (!ended_) held_.swap(held);
    }
    FinishUnlessWaiting();
  }
  // False: `done` runs without it.
  bool Abandon() {
    MutexLock lock(&mutex_);
    return !std::exchange(ended_, true);
  }

  bus::OfferResult Offer(const bus::Frame& frame, std::uint64_t policy_version) override {
    MutexLock lock(&mutex_);
    if (ended_) return bus::OfferResult::kClosed;
    // How far it has come is said at the end of the page.
    if (frame->kind == bus::Message::Kind::kBookmark) return bus::OfferResult::kAccepted;
    // What has been offered is not behind the last pause any more.
    paused_.reset();
    bytes_ += frame->bytes.size();
    taken_.push_back({frame, policy_version});
    return bus::OfferResult::kAccepted;
  }
  void Overflow() override {}
  bool HasRoom() const override {
    MutexLock lock(&mutex_);
    return taken_.size() < most_ && bytes_ < kMostBytes;
  }
  bool AwaitRoom(absl::AnyInvocable<void()>) override { return false; }
  void OnPause(std::uint64_t position, Pause pause) override {
    {
      MutexLock lock(&mutex_);
      if (pause == Pause::kGoesOn && clock_->Steady() < deadline_) return;
      // It has read for long enough: the next page goes on.
      if (pause == Pause::kGoesOn) waits_ = false;
      paused_ = position;
    }
    FinishUnlessWaiting();
  }
  // Not here: what it lets go of may be what calls it.
  void End(std::string_view reason) override {
    std::unique_ptr<Held> held;
    {
      MutexLock lock(&mutex_);
      if (std::exchange(ended_, true)) return;
      held = std::move(held_);
      taken_.clear();
    }
    executor_->PostAlways([self = shared_from_this(), held = std::move(held),
                           ended = absl::AbortedError(ToAbsl(reason))] { self->done_(ended); });
  }
  void AwaitSending() override {}

  // It has waited long enough.
  void OnTimeout() {
    {
      MutexLock lock(&mutex_);
      waits_ = false;
    }
    FinishUnlessWaiting();
  }

 private:
  struct Taken {
    bus::Frame frame;
    std::uint64_t policy_version = 0;
  };
  struct Held {
    OpenedSubscription opened;
    std::unique_ptr<Timer> timer;
  };

  void FinishUnlessWaiting() {
    const auto self = shared_from_this();  // What it lets go of may be all that keeps it.
    std::unique_ptr<Held> held;            // Goes without the lock.
    std::vector<Taken> taken;
    std::uint64_t position = 0;
    {
      MutexLock lock(&mutex_);
      if (ended_ || held_ == nullptr || !paused_ || (taken_.empty() && waits_)) return;
      ended_ = true;
      held = std::move(held_);
      taken = std::move(taken_);
      position = *paused_;
    }
    done_(HistoryPage{.frames = StillAllowed(*held->opened.event_authorizer, taken),
                      .cursor = followers_->CursorAt(position).ToString()});
  }

  static std::vector<std::string> StillAllowed(bus::EventAuthorizer& authorizer,
                                               const std::vector<Taken>& taken) {
    const std::uint64_t version = authorizer.Refresh();
    std::vector<std::string> frames;
    for (const auto& [frame, policy_version] : taken) {
      const bool allowed = frame->kind != bus::Message::Kind::kEvent || policy_version == version ||
                           authorizer.Allows(frame->path, frame->type);
      if (allowed) frames.push_back(frame->bytes);
    }
    return frames;
  }

  const Followers* const followers_;
  const Clock* const clock_;
  const SteadyTime deadline_;  // Of a page that is not full and has not come to the end.
  Executor* const executor_;
  const std::size_t most_;
  HistoryDone done_;  // Called once, by the thread that ends it.
  mutable Mutex mutex_;
  bool waits_ ABSL_GUARDED_BY(mutex_);
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  std::unique_ptr<Held> held_ ABSL_GUARDED_BY(mutex_);
  std::vector<Taken> taken_ ABSL_GUARDED_BY(mutex_);
  std::size_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  // How far it has come, if all up to there has been taken.
  std::optional<std::uint64_t> paused_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

void ReadHistory(const Environment& environment, const Clock* clock, Scheduler* scheduler,
                 Executor* executor, HistoryQuestion question, HistoryDone done) {
  // Shared: by the reader, or by this when there is none.
  const auto shared_done = std::make_shared<HistoryDone>(std::move(done));
  const auto reader = std::make_shared<PageReader>(
      environment.followers, clock, executor, question,
      [shared_done](absl::StatusOr<HistoryPage> page) { (*shared_done)(std::move(page)); });
  absl::StatusOr<OpenedSubscription> opened =
      Open(environment, std::move(question.request), reader);
  if (!opened.ok()) {
    if (reader->Abandon()) (*shared_done)(opened.status());
    return;
  }
  std::unique_ptr<Timer> timer;
  if (question.wait > absl::ZeroDuration()) {
    timer = scheduler->After(question.wait, [weak = std::weak_ptr(reader)] {
      if (const auto waiting = weak.lock()) waiting->OnTimeout();
    });
  }
  reader->Keep(*std::move(opened), std::move(timer));
}

}  // namespace belfry::subscriptions
