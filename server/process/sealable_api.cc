#include "server/process/sealable_api.h"

#include <utility>

#include "base/wait_group.h"
#include "server/api/render.h"
#include "server/builtin/answer.h"

namespace belfry::process {
namespace {

api::HttpResponse Sealed() {
  return api::Render(builtin::ErrorAnswer(503, "Vault is sealed"));
}

}  // namespace

struct SealableApi::Unsealed {
  api::Api* api = nullptr;
  WaitGroup requests;
};

SealableApi::SealableApi() = default;
SealableApi::~SealableApi() = default;

void SealableApi::Unseal(api::Api* api) {
  auto unsealed = std::make_shared<Unsealed>();
  unsealed->api = api;
  MutexLock lock(&mutex_);
  unsealed_ = std::move(unsealed);
}

void SealableApi::Seal() {
  MutexLock lock(&mutex_);
  if (unsealed_ != nullptr) ending_ = std::move(unsealed_);
  unsealed_ = nullptr;
}

void SealableApi::AwaitRequests() {
  std::shared_ptr<Unsealed> ending;
  {
    MutexLock lock(&mutex_);
    ending = std::move(ending_);
    ending_ = nullptr;
  }
  if (ending != nullptr) ending->requests.Wait();
}

std::shared_ptr<api::Api> SealableApi::Use() const {
  MutexLock lock(&mutex_);
  if (unsealed_ == nullptr) return nullptr;
  // Entered under the lock, so that AwaitRequests after a Seal misses nobody.
  unsealed_->requests.Add();
  return {unsealed_->api, [unsealed = unsealed_](api::Api*) { unsealed->requests.Done(); }};
}

void SealableApi::Handle(api::HttpRequest request, api::Respond respond) {
  std::shared_ptr<api::Api> api = Use();
  if (api == nullptr) return respond(Sealed());
  api::Api& unsealed = *api;
  unsealed.Handle(std::move(request), [api = std::move(api),
                                       respond = std::move(respond)](api::Outcome outcome) mutable {
    // What is subscribed uses the core as long as it lasts.
    auto* const opened = std::get_if<subscriptions::OpenedSubscription>(&outcome);
    if (opened != nullptr) opened->use = std::move(api);
    respond(std::move(outcome));
  });
}

std::optional<api::HttpResponse> SealableApi::RefuseEarly(const api::HttpRequest& head,
                                                          std::uint64_t body_bytes) const {
  const std::shared_ptr<api::Api> api = Use();
  return api == nullptr ? Sealed() : api->RefuseEarly(head, body_bytes);
}

}  // namespace belfry::process
