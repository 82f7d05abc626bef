#include "server/subscriptions/subscribers.h"

#include <utility>
#include <vector>

namespace belfry::subscriptions {

class Subscribers::Membership {
 public:
  Membership(Subscribers* all, std::shared_ptr<Subscriber> subscriber)
      : all_(all), subscriber_(std::move(subscriber)) {}
  ~Membership() {
    MutexLock lock(&all_->mutex_);
    all_->members_.erase(this);
  }
  const std::shared_ptr<Subscriber>& subscriber() const { return subscriber_; }

 private:
  Subscribers* const all_;
  const std::shared_ptr<Subscriber> subscriber_;
};

std::shared_ptr<const void> Subscribers::Add(std::shared_ptr<Subscriber> subscriber) {
  auto membership = std::make_shared<Membership>(this, std::move(subscriber));
  {
    MutexLock lock(&mutex_);
    if (!ended_) {
      members_.insert(membership.get());
      return membership;
    }
  }
  return nullptr;  // It takes itself out, which locks, too.
}

void Subscribers::EndAll(std::string_view reason) {
  std::vector<std::shared_ptr<Subscriber>> subscribers;
  {
    MutexLock lock(&mutex_);
    ended_ = true;
    for (const Membership* member : members_) subscribers.push_back(member->subscriber());
  }
  // Not under the lock: a subscriber that ends takes itself out.
  for (const auto& subscriber : subscribers) subscriber->End(reason);
}

}  // namespace belfry::subscriptions
