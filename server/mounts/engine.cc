#include "server/mounts/engine.h"

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

}  // namespace belfry::mounts
