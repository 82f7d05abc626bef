#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "base/mutex.h"
#include "server/api/api.h"
#include "server/api/subscribe_endpoint.h"

namespace belfry::http {

// Answers as the test says, from whatever thread asks. Thread-safe.
class FakeApi final : public api::Api {
 public:
  using Respond = api::Respond;

  // How a request that opens no subscription is answered, once it was remembered; set before the
  // server starts.
  std::function<void(const api::HttpRequest&, Respond)> answer = [](const api::HttpRequest& request,
                                                                    Respond respond) {
    respond(api::HttpResponse{
        200, {}, request.method + " " + request.path + " " + std::to_string(request.body.size())});
  };
  // How a request with a subscriber is answered.
  std::function<void(const api::HttpRequest&, const std::shared_ptr<subscriptions::Subscriber>&,
                     Respond)>
      subscribe = [this](const api::HttpRequest& request, const auto& subscriber, Respond respond) {
        respond(Open(request.path, subscriber));
      };
  // What is offered to a subscriber before its upgrade is answered.
  std::vector<bus::Frame> early_frames;
  // What answers a request before its body is read; set before the server starts.
  std::function<std::optional<api::HttpResponse>(const api::HttpRequest&)> refuse_early =
      [](const api::HttpRequest&) { return std::nullopt; };
  // Whether a subscriber is ended at once.
  bool end_early = false;

  void Handle(api::HttpRequest request, Respond respond) override {
    const std::shared_ptr<subscriptions::Subscriber> subscriber = std::move(request.subscriber);
    {
      MutexLock lock(&mutex_);
      requests_.push_back(request);
    }
    if (request.path == "/v1/sys/events/subscribe/refused") {
      respond(api::HttpResponse{403, {}, "no\n"});
    } else if (!api::IsSubscribePath(request.path)) {
      answer(request, std::move(respond));
    } else if (subscriber == nullptr) {
      respond(api::WithoutSubscriber());
    } else {
      subscribe(request, subscriber, std::move(respond));
    }
  }

  std::optional<api::HttpResponse> RefuseEarly(const api::HttpRequest& head,
                                               std::uint64_t body_bytes) const override {
    MutexLock lock(&mutex_);
    asked_about_.push_back(body_bytes);
    return refuse_early(head);
  }

  subscriptions::OpenedSubscription Open(std::string_view path,
                                         const std::shared_ptr<subscriptions::Subscriber>& sink) {
    for (const bus::Frame& frame : early_frames) sink->Offer(frame, 1);
    if (end_early) sink->End("token revoked");
    MutexLock lock(&mutex_);
    sinks_.push_back(sink);
    changed_.NotifyAll();
    return subscriptions::OpenedSubscription{
        .subscription = std::make_unique<FakeSubscription>(this),
        .format = path.ends_with("/json") ? bus::Format::kCloudEventsJson : bus::Format::kProtobuf,
        .event_authorizer = std::make_unique<FakeAuthorizer>(this),
        .accessor = "its-accessor",
        .type_pattern = "its-type"};
  }

  // From now on nobody may see events on this path, and what was authorized before is authorized
  // again.
  void Forbid(std::string path) {
    MutexLock lock(&mutex_);
    forbidden_ = std::move(path);
    ++version_;
  }

  api::HttpRequest LastRequest() {
    MutexLock lock(&mutex_);
    return requests_.empty() ? api::HttpRequest{} : requests_.back();
  }

  // The lengths of the bodies that RefuseEarly was asked about.
  std::vector<std::uint64_t> AskedAbout() {
    MutexLock lock(&mutex_);
    return asked_about_;
  }

  // The sink of the n-th subscription; null once its session is gone.
  std::shared_ptr<subscriptions::Subscriber> Sink(std::size_t n) {
    MutexLock lock(&mutex_);
    while (sinks_.size() <= n) changed_.Wait(&mutex_);
    return sinks_[n].lock();
  }

  void WaitForEndedSubscriptions(int count) {
    MutexLock lock(&mutex_);
    while (ended_ < count) changed_.Wait(&mutex_);
  }

 private:
  class FakeSubscription final : public bus::Subscription {
   public:
    explicit FakeSubscription(FakeApi* api) : api_(api) {}
    ~FakeSubscription() override {
      MutexLock lock(&api_->mutex_);
      ++api_->ended_;
      api_->changed_.NotifyAll();
    }

   private:
    FakeApi* const api_;
  };

  class FakeAuthorizer final : public bus::EventAuthorizer {
   public:
    explicit FakeAuthorizer(FakeApi* api) : api_(api) {}
    std::uint64_t Refresh() override {
      MutexLock lock(&api_->mutex_);
      return api_->version_;
    }
    bool Allows(std::string_view path, std::string_view) override {
      MutexLock lock(&api_->mutex_);
      return path != api_->forbidden_;
    }

   private:
    FakeApi* const api_;
  };

  mutable Mutex mutex_;
  CondVar changed_;
  mutable std::vector<std::uint64_t> asked_about_ ABSL_GUARDED_BY(mutex_);
  std::uint64_t version_ ABSL_GUARDED_BY(mutex_) = 1;
  std::string forbidden_ ABSL_GUARDED_BY(mutex_) = "nothing";
  std::vector<api::HttpRequest> requests_ ABSL_GUARDED_BY(mutex_);
  // As the bus does: the session owns the sink.
  std::vector<std::weak_ptr<subscriptions::Subscriber>> sinks_ ABSL_GUARDED_BY(mutex_);
  int ended_ ABSL_GUARDED_BY(mutex_) = 0;
};

// An event as it is offered to subscribers.
inline bus::Frame Text(std::string text, std::string path = "") {
  return std::make_shared<const bus::Message>(
      bus::Message{.bytes = std::move(text), .path = std::move(path)});
}

}  // namespace belfry::http
