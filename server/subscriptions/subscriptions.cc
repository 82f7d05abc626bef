#include "server/subscriptions/subscriptions.h"

#include <utility>

#include "server/subscriptions/permission.h"

namespace belfry::subscriptions {
namespace {

// A request that may be answered.
struct Checked {
  std::shared_ptr<const Permission> permission;  // Shared with the policies' watcher.
  Selection selection;
};

absl::StatusOr<Checked> CheckRequest(const Environment& environment, Request request) {
  auto permission =
      std::make_shared<const Permission>(Permission{.authorizer = environment.authorizer,
                                                    .identity = std::move(request.identity),
                                                    .capability = request.capability,
                                                    .path = std::move(request.path),
                                                    .parameters = ParametersOf(request.query)});
  if (!permission->Holds()) return absl::PermissionDeniedError("permission denied");
  absl::StatusOr<Selection> selection =
      ParseSelection(request.type_pattern, request.query, environment.limits);
  if (!selection.ok()) return selection.status();
  return Checked{.permission = std::move(permission), .selection = *std::move(selection)};
}

Start StartOf(const Followers& followers, const After& after) {
  switch (after.place) {
    case After::Place::kEarliest:
      return followers.Earliest();
    case After::Place::kLatest:
      return followers.Latest();
    case After::Place::kCursor:
      break;
  }
  return followers.After(after.cursor);
}

std::unique_ptr<bus::Subscription> Subscribe(const Environment& environment,
                                             const Permission& permission, Selection selection,
                                             std::shared_ptr<Subscriber> subscriber) {
  bus::SubscribeOptions options = {.type_pattern = std::move(selection.type_pattern),
                                   .namespace_patterns = std::move(selection.namespace_patterns),
                                   .filter = std::move(selection.filter),
                                   .owner = permission.identity.accessor,
                                   .format = selection.format,
                                   .event_authorizer = NewEventAuthorizer(permission),
                                   .sink = subscriber};
  if (!selection.after) return environment.bus->Subscribe(std::move(options));
  return environment.followers->Follow(
      {.pattern = bus::PatternOf(options),
       .owner = std::move(options.owner),
       .format = options.format,
       .event_authorizer = std::move(options.event_authorizer),
       .subscriber = std::move(subscriber),
       .start = StartOf(*environment.followers, *selection.after)});
}

}  // namespace

absl::StatusOr<OpenedSubscription> Open(const Environment& environment, Request request,
                                        std::shared_ptr<Subscriber> subscriber) {
  absl::StatusOr<Checked> checked = CheckRequest(environment, std::move(request));
  if (!checked.ok()) return checked.status();
  auto& [permission, selection] = *checked;
  std::unique_ptr<bus::EventAuthorizer> authorizer = NewWatchingAuthorizer(permission, subscriber);
  if (authorizer == nullptr) return absl::UnauthenticatedError("invalid token");
  // What changed before it was watched.
  if (!permission->Holds()) return absl::PermissionDeniedError("permission denied");
  std::shared_ptr<const void> membership = environment.subscribers->Add(subscriber);
  if (membership == nullptr) return absl::UnavailableError("Vault is sealed");
  std::string type_pattern = selection.type_pattern;
  const bus::Format format = selection.format;
  return OpenedSubscription{.membership = std::move(membership),
                            .subscription = Subscribe(environment, *permission,
                                                      std::move(selection), std::move(subscriber)),
                            .format = format,
                            .event_authorizer = std::move(authorizer),
                            .accessor = permission->identity.accessor,
                            .type_pattern = std::move(type_pattern)};
}

absl::Status Check(const Environment& environment, Request request) {
  return CheckRequest(environment, std::move(request)).status();
}

}  // namespace belfry::subscriptions
