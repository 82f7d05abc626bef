#include "server/builtin/builtin.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "base/glob.h"
#include "base/ids.h"
#include "base/paths.h"
#include "base/text.h"

namespace belfry::builtin {
namespace {

using Family = std::span<const Endpoint> (*)();
constexpr Family kFamilies[] = {&StatusEndpoints,  &MountEndpoints,      &PolicyEndpoints,
                                &RoleEndpoints,    &TokenEndpoints,      &PluginEndpoints,
                                &LeaseEndpoints,   &CapabilityEndpoints, &ExplainEndpoints,
                                &HistoryEndpoints, &CubbyholeEndpoints,  &SealEndpoints};

// What of the endpoints fits a request.
struct Found {
  const Endpoint* endpoint = nullptr;
  bool path_is_known = false;  // With this operation or another.
  Right right = Right::kPolicies;
};

Found Find(std::string_view path, mounts::Operation operation) {
  Found found;
  for (const Family family : kFamilies) {
    for (const Endpoint& endpoint : family()) {
      if (!GlobMatches(endpoint.path, path)) continue;
      // Who may not use the path is not told what can be done there.
      if (!found.path_is_known) found.right = endpoint.right;
      found.path_is_known = true;
      if (endpoint.operation && *endpoint.operation != operation) continue;
      return {&endpoint, true, endpoint.right};
    }
  }
  return found;
}

bool Holds(const Dependencies& dependencies, const Call& call, Right right) {
  const auto may = [&](access::Capability capability) {
    return MayAsk(*dependencies.authorizer, call.identity, capability, call.path, call.data);
  };
  switch (right) {
    case Right::kAnyTokenOrNone:
    case Right::kAnyToken:
    case Right::kItself:
      return true;
    case Right::kPolicies:
      return may(CapabilityFor(call.operation));
    case Right::kSudo:
      return may(CapabilityFor(call.operation)) && may(access::Capability::kSudo);
  }
  return false;
}

struct Room {
  Executor* executor;
  std::string_view refusal;  // What is answered where it takes no more.
};

Room RoomFor(const Dependencies& dependencies, Place place) {
  switch (place) {
    case Place::kHere:
      break;
    case Place::kExecutor:
      return {dependencies.executor, "the server is too busy; try again"};
    case Place::kPluginExecutor:
      return {dependencies.plugin_executor,
              "too many mounts and plugins are being started or stopped at this moment; try again"};
    case Place::kExplainExecutor:
      return {dependencies.explain_executor,
              "too many explanations are being worked out at this moment; try again"};
  }
  return {nullptr, ""};
}

void Run(const Dependencies& dependencies, const Endpoint& endpoint, Call call, Respond respond) {
  if (endpoint.begin != nullptr)
    return endpoint.begin(dependencies, std::move(call), std::move(respond));
  respond(endpoint.answer(dependencies, call));
}

void Begin(const Dependencies& dependencies, const Endpoint& endpoint, Call call, Respond respond) {
  const Room room = RoomFor(dependencies, endpoint.place);
  if (room.executor == nullptr)
    return Run(dependencies, endpoint, std::move(call), std::move(respond));
  // Shared: when the executor refuses the work, it is answered here.
  auto shared_respond = std::make_shared<Respond>(std::move(respond));
  const std::string owner(OwnerOf(call));
  const bool posted = room.executor->PostFor(
      owner, [&dependencies, &endpoint, call = std::move(call), shared_respond]() mutable {
        // Both may have gone while the request waited.
        const bool allowed = call.identity.Lasts(dependencies.clock->Now()) &&
                             Holds(dependencies, call, endpoint.right);
        if (!allowed) return (*shared_respond)(Denied());
        Run(dependencies, endpoint, std::move(call), std::move(*shared_respond));
      });
  if (!posted) (*shared_respond)(BusyAnswer(room.refusal));
}

}  // namespace

bool TakesApart(std::string_view path) {
  return IsAtOrBelow(path, "sys") || IsAtOrBelow(path, "auth/token");
}

bool Owns(std::string_view path) {
  return TakesApart(path) || IsAtOrBelow(path, "cubbyhole");
}

std::vector<const Endpoint*> AllEndpoints() {
  std::vector<const Endpoint*> all;
  for (const Family family : kFamilies) {
    for (const Endpoint& endpoint : family()) all.push_back(&endpoint);
  }
  return all;
}

bool IsOpen(std::string_view path) {
  return std::ranges::any_of(StatusEndpoints(), [path](const Endpoint& endpoint) {
    return endpoint.right == Right::kAnyTokenOrNone && endpoint.path == path;
  });
}

const Endpoint* EndpointOf(std::string_view path, mounts::Operation operation) {
  return Find(path, operation).endpoint;
}

void Handle(const Dependencies& dependencies, Call call, Respond respond) {
  const Found found = Find(call.path, call.operation);
  if (!Holds(dependencies, call, found.right)) return respond(Denied());
  if (found.endpoint == nullptr) {
    return respond(found.path_is_known ? UnsupportedOperation() : UnsupportedPath());
  }
  // What asks the policies itself reads its fields after that.
  if (found.right != Right::kItself) {
    absl::StatusOr<Fields> fields = Fields::Read(found.endpoint->fields, call.data);
    if (!fields.ok()) return respond(ErrorAnswer(400, ToStd(fields.status().message())));
    call.fields = *std::move(fields);
  }
  Begin(dependencies, *found.endpoint, std::move(call), std::move(respond));
}

}  // namespace belfry::builtin
