#include "server/subscriptions/subscriptions.h"

#include <utility>

#include "server/subscriptions/permission.h"

namespace belfry::subscriptions {
namespace {

absl::StatusOr<OpenedSubscription> OpenNow(bus::Bus& bus,
                                           const std::shared_ptr<const Permission>& permission,
                                           Selection selection,
                                           std::shared_ptr<Subscriber> subscriber) {
  std::unique_ptr<bus::EventAuthorizer> authorizer = NewWatchingAuthorizer(permission, subscriber);
  if (authorizer == nullptr) return absl::UnauthenticatedError("invalid token");
  // What changed before it was watched.
  if (!permission->Holds()) return absl::PermissionDeniedError("permission denied");
  std::string type_pattern = selection.type_pattern;
  return OpenedSubscription{
      .subscription = bus.Subscribe({.type_pattern = std::move(selection.type_pattern),
                                     .namespace_patterns = std::move(selection.namespace_patterns),
                                     .filter = std::move(selection.filter),
                                     .owner = permission->identity.accessor,
                                     .format = selection.format,
                                     .event_authorizer = NewEventAuthorizer(*permission),
                                     .sink = std::move(subscriber)}),
      .format = selection.format,
      .event_authorizer = std::move(authorizer),
      .accessor = permission->identity.accessor,
      .type_pattern = std::move(type_pattern)};
}

class Pending final : public PendingSubscription {
 public:
  Pending(const Environment& environment, std::shared_ptr<const Permission> permission,
          Selection selection)
      : bus_(*environment.bus),
        executor_(*environment.executor),
        permission_(std::move(permission)),
        selection_(std::move(selection)) {}

  void Open(std::shared_ptr<Subscriber> subscriber, Done done) override {
    // Shared: when the executor refuses the work, it is answered here.
    auto shared_done = std::make_shared<Done>(std::move(done));
    const bool posted = executor_.Post([&bus = bus_, permission = std::move(permission_),
                                        selection = std::move(selection_),
                                        subscriber = std::move(subscriber), shared_done]() mutable {
      (*shared_done)(OpenNow(bus, permission, std::move(selection), std::move(subscriber)));
    });
    if (!posted) (*shared_done)(absl::ResourceExhaustedError("too many requests"));
  }

 private:
  bus::Bus& bus_;
  Executor& executor_;
  std::shared_ptr<const Permission> permission_;
  Selection selection_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<PendingSubscription>> Prepare(const Environment& environment,
                                                             Request request) {
  // Shared with the policies' watcher.
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
  return std::make_unique<Pending>(environment, std::move(permission), *std::move(selection));
}

}  // namespace belfry::subscriptions
