#include "server/api/call.h"

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <memory>
#include <utility>

#include "base/text.h"
#include "server/api/api.h"
#include "server/api/json_text.h"
#include "server/api/responses.h"

namespace belfry::api {

using access::Capability;
using mounts::Operation;

namespace {

void PostTo(Executor* executor, Respond respond, absl::AnyInvocable<HttpResponse()> answer,
            std::string_view refusal) {
  // Shared: when the executor refuses the work, it is answered here.
  auto shared_respond = std::make_shared<Respond>(std::move(respond));
  const bool posted = executor->Post(
      [answer = std::move(answer), shared_respond]() mutable { (*shared_respond)(answer()); });
  if (!posted) (*shared_respond)(BusyAnswer(refusal));
}

}  // namespace

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

void RespondOnExecutor(const Dependencies& dependencies, Respond respond,
                       absl::AnyInvocable<HttpResponse()> answer) {
  PostTo(dependencies.executor, std::move(respond), std::move(answer),
         "the server is too busy; try again");
}

void AnswerOnExecutor(const Dependencies& dependencies, Call call, Respond respond,
                      HttpResponse (*answer)(const Dependencies&, const Call&)) {
  RespondOnExecutor(
      dependencies, std::move(respond),
      [&dependencies, call = std::move(call), answer] { return answer(dependencies, call); });
}

void AnswerOnExplainExecutor(const Dependencies& dependencies, Call call, Respond respond,
                             HttpResponse (*answer)(const Dependencies&, const Call&)) {
  PostTo(
      dependencies.explain_executor, std::move(respond),
      [&dependencies, call = std::move(call), answer] { return answer(dependencies, call); },
      "too many explanations are being worked out at this moment; try again");
}

void AnswerOnPluginExecutor(const Dependencies& dependencies, Call call, Respond respond,
                            HttpResponse (*answer)(const Dependencies&, const Call&)) {
  PostTo(
      dependencies.plugin_executor, std::move(respond),
      [&dependencies, call = std::move(call), answer] { return answer(dependencies, call); },
      "too many mounts and plugins are being started or stopped at this moment; try again");
}

std::vector<std::string> WarningOfUnknown(const Fields& fields) {
  if (fields.unknown().empty()) return {};
  std::string names;
  for (const std::string& name : fields.unknown())
    names += Concat({names.empty() ? "" : " ", name});
  return {Concat({"Endpoint ignored these unrecognized parameters: [", names, "]"})};
}

HttpResponse Done(const Call& call, const Fields& fields, std::vector<std::string> warnings,
                  std::string_view mount_type) {
  for (std::string& warning : WarningOfUnknown(fields)) warnings.push_back(std::move(warning));
  if (warnings.empty()) return NoContent();
  return EnvelopeAnswer({.request_id = call.id,
                         .warnings = std::move(warnings),
                         .mount_type = std::string(mount_type)});
}

}  // namespace belfry::api
