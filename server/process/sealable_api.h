#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "base/mutex.h"
#include "server/api/api.h"

namespace belfry::process {

// The Api that listeners see from the first to the last moment of the process: it hands requests to
// the core's while there is one, and answers 503 "Vault is sealed" while there is none, in Vault's
// words, which clients look for. (vault-api-and-events 8) Thread-safe.
class SealableApi final : public api::Api {
 public:
  SealableApi();
  ~SealableApi() override;

  // From now on requests go to `api`, which must live until AwaitRequests has returned.
  void Unseal(api::Api* api);
  // From now on they are answered with 503. Those under way go on.
  void Seal();
  // Returns when every request that was under way at the last Seal has been answered.
  void AwaitRequests();

  void Handle(api::HttpRequest request, api::Respond respond) override;
  std::optional<api::HttpResponse> RefuseEarly(const api::HttpRequest& head,
                                               std::uint64_t body_bytes) const override;

 private:
  struct Unsealed;

  // A use of the unsealed Api that ends with the last copy of the pointer; null while sealed.
  std::shared_ptr<api::Api> Use() const;

  mutable Mutex mutex_;
  std::shared_ptr<Unsealed> unsealed_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<Unsealed> ending_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace belfry::process
