#pragma once

#include <memory>
#include <string_view>
#include <unordered_set>

#include "absl/base/thread_annotations.h"
#include "base/mutex.h"
#include "server/subscriptions/subscriber.h"

namespace belfry::subscriptions {

// All subscribers, so that they can be ended at once. Thread-safe.
class Subscribers {
 public:
  // Counts the subscriber in as long as the result is kept, which must not outlive this. nullptr
  // once EndAll has been called: later subscribers are refused.
  std::shared_ptr<const void> Add(std::shared_ptr<Subscriber> subscriber);
  // Ends each of them with this reason, see Subscriber::End. To be called once.
  void EndAll(std::string_view reason);

 private:
  class Membership;

  Mutex mutex_;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  std::unordered_set<const Membership*> members_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace belfry::subscriptions
