#include "server/builtin/call.h"

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <memory>
#include <utility>

#include "base/text.h"
#include "server/builtin/dependencies.h"
#include "server/builtin/json_text.h"

namespace belfry::builtin {

using access::Capability;
using mounts::Operation;

std::string_view OwnerOf(const Call& call) {
  return call.identity.accessor.empty() ? call.remote_address : call.identity.accessor;
}

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
  // Most rules ask for no parameters, and then nothing is parsed.
  if (identity.root || parameters == "null" ||
      !authorizer.BoundsParameters(identity, capability, path)) {
    return authorizer.Allows(identity, question);
  }
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

std::vector<std::string> WarningOfUnknown(const Fields& fields) {
  if (fields.unknown().empty()) return {};
  std::string names;
  for (const std::string& name : fields.unknown())
    names += Concat({names.empty() ? "" : " ", name});
  return {Concat({"Endpoint ignored these unrecognized parameters: [", names, "]"})};
}

Answer Done(const Call& call, const Fields& fields, std::vector<std::string> warnings,
            std::string_view mount_type) {
  for (std::string& warning : WarningOfUnknown(fields)) warnings.push_back(std::move(warning));
  if (warnings.empty()) return NoContent();
  return EnvelopeAnswer({.request_id = call.id,
                         .warnings = std::move(warnings),
                         .mount_type = std::string(mount_type)});
}

}  // namespace belfry::builtin
