#include "server/api/call.h"

#include <memory>
#include <utility>

#include "server/api/api.h"
#include "server/api/responses.h"

namespace belfry::api {

using access::Capability;
using mounts::Operation;

access::Capability CapabilityFor(Operation operation) {
  switch (operation) {
    case Operation::kCreate:
      return Capability::kCreate;
    case Operation::kUpdate:
    case Operation::kRenew:
    case Operation::kRevoke:
    case Operation::kRollback:
      return Capability::kUpdate;
    case Operation::kPatch:
      return Capability::kPatch;
    case Operation::kDelete:
      return Capability::kDelete;
    case Operation::kList:
      return Capability::kList;
    case Operation::kRead:
    case Operation::kHelp:
      break;
  }
  return Capability::kRead;
}

void AnswerOnExecutor(const Dependencies& dependencies, Call call, Respond respond,
                      HttpResponse (*answer)(const Dependencies&, const Call&)) {
  // Shared: when the executor refuses the work, it is answered here.
  auto shared_respond = std::make_shared<Respond>(std::move(respond));
  const bool posted =
      dependencies.executor->Post([&dependencies, call = std::move(call), answer, shared_respond] {
        (*shared_respond)(answer(dependencies, call));
      });
  if (!posted) (*shared_respond)(ErrorAnswer(503, "the server is too busy; try again"));
}

}  // namespace belfry::api
