#include "server/mounts/engine.h"

#include <utility>

namespace belfry::mounts {

std::string_view OperationName(Operation operation) {
  switch (operation) {
    case Operation::kCreate:
      return "create";
    case Operation::kRead:
      return "read";
    case Operation::kUpdate:
      return "update";
    case Operation::kPatch:
      return "patch";
    case Operation::kDelete:
      return "delete";
    case Operation::kList:
      return "list";
    case Operation::kHelp:
      return "help";
    case Operation::kRenew:
      return "renew";
    case Operation::kRevoke:
      return "revoke";
    case Operation::kRollback:
      return "rollback";
  }
  return "";
}

void Engine::Write(Request request, absl::AnyInvocable<void(absl::StatusOr<Reply>)> done) {
  Request question = request;
  CheckExistence(std::move(question), [this, request = std::move(request), done = std::move(done)](
                                          absl::StatusOr<Existence> existence) mutable {
    if (!existence.ok()) return done(existence.status());
    if (*existence == Existence::kMissing) request.operation = Operation::kCreate;
    Handle(std::move(request), std::move(done));
  });
}

}  // namespace belfry::mounts
