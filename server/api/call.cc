#include "server/api/call.h"

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <memory>
#include <utility>

#include "server/api/api.h"
#include "server/api/json_text.h"
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

bool MayAsk(const access::Authorizer& authorizer, const access::Identity& identity,
            Capability capability, std::string_view path, std::string_view parameters) {
  access::Question question{.capability = capability, .path = path};
  // Whoever may do everything need not wait for a parser.
  if (identity.root || parameters == "null") return authorizer.Allows(identity, question);
  boost::json::parse_options options;
  options.max_depth = kMaxRequestJsonDepth;
  boost::system::error_code error;
  const boost::json::value value =
      boost::json::parse({parameters.data(), parameters.size()}, error, {}, options);
  if (error || !value.is_object()) return false;
  question.parameters = &value.get_object();
  return authorizer.Allows(identity, question);
}

bool MayCall(const Dependencies& dependencies, const Call& call, mounts::Existence existence) {
  const bool creates =
      call.operation == Operation::kUpdate && existence == mounts::Existence::kMissing;
  const Capability capability = creates ? Capability::kCreate : CapabilityFor(call.operation);
  return MayAsk(*dependencies.authorizer, call.identity, capability, call.path, call.data);
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
