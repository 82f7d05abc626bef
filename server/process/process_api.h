#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/functional/any_invocable.h"
#include "base/executor.h"
#include "base/limits.h"
#include "server/api/api.h"
#include "server/process/endpoint.h"
#include "server/process/lifecycle.h"

namespace belfry::process {

// The Api that listeners see: answers what concerns the process itself (sys/health, sys/init,
// sys/seal-status, sys/unseal, sys/rekey, sys/generate-root …), without a token and whether the
// server is sealed or not, as Vault does, and hands everything else on. Thread-safe.
// (vault-api-and-events 8)
class ProcessApi final : public api::Api {
 public:
  // `next` answers the rest, and `lifecycle` changes the state; both must outlive it, as must the
  // facts' clock.
  ProcessApi(api::Api* next, Lifecycle* lifecycle, Facts facts, const Limits& limits);
  // Waits for the change that is under way.
  ~ProcessApi() override;

  void Handle(api::HttpRequest request, api::Respond respond) override;
  std::optional<api::HttpResponse> RefuseEarly(const api::HttpRequest& head,
                                               std::uint64_t body_bytes) const override;

 private:
  void Answer(const Endpoint& endpoint, api::HttpRequest request, api::Respond respond);
  // When `outcome` asks for it; then 204.
  void SealIfAsked(api::Outcome outcome, api::Respond respond);
  void OnExecutor(std::string space, api::Respond respond,
                  absl::AnyInvocable<builtin::Answer()> answer);

  api::Api* const next_;
  Lifecycle* const lifecycle_;
  const Facts facts_;
  const Limits limits_;
  // One thread: the states change one after the other.
  const std::unique_ptr<Executor> changes_;
};

}  // namespace belfry::process
