#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "server/builtin/answer.h"
#include "server/builtin/call.h"
#include "server/builtin/dependencies.h"
#include "server/builtin/fields.h"
#include "server/mounts/engine.h"

namespace belfry::builtin {

// Who may use an endpoint.
enum class Right {
  kAnyTokenOrNone,  // Every valid token, and who has none at all.
  kAnyToken,        // Every valid token; what it is told is the endpoint's care.
  kPolicies,        // Whom the policies allow the operation on the path.
  kSudo,            // The same, with the capability sudo.
  kItself,  // It asks the policies itself: whether a write creates has to be found out first.
};

// Where an endpoint is answered. On an executor where others would have to wait for it.
enum class Place { kHere, kExecutor, kPluginExecutor, kExplainExecutor };

// What answers. Runs where the endpoint says.
using Handler = Answer (*)(const Dependencies& dependencies, const Call& call);
// The same for what is not known when it returns. Where it is begun here it must not block.
using AsyncHandler = void (*)(const Dependencies& dependencies, Call call, Respond respond);

// One thing that the host answers itself: declared here, and nowhere else.
struct Endpoint {
  std::string_view path;  // Without "/v1/"; '*' stands for any text.
  // nullopt: whichever.
  std::optional<mounts::Operation> operation;
  Right right = Right::kPolicies;
  Place place = Place::kExecutor;
  std::span<const DeclaredField> fields;
  // One of the two.
  Handler answer = nullptr;
  AsyncHandler begin = nullptr;
};

// Of one family each, where the first that matches a request counts.
std::span<const Endpoint> StatusEndpoints();
std::span<const Endpoint> SealEndpoints();
std::span<const Endpoint> MountEndpoints();
std::span<const Endpoint> PolicyEndpoints();
std::span<const Endpoint> TokenEndpoints();
std::span<const Endpoint> RoleEndpoints();
std::span<const Endpoint> PluginEndpoints();
std::span<const Endpoint> LeaseEndpoints();
std::span<const Endpoint> ExplainEndpoints();
std::span<const Endpoint> HistoryEndpoints();
std::span<const Endpoint> CapabilityEndpoints();
std::span<const Endpoint> CubbyholeEndpoints();

}  // namespace belfry::builtin
