#include "server/subscriptions/permission.h"

#include <utility>

namespace belfry::subscriptions {
namespace {

// The token's verdict on events.
class TokenEventAuthorizer final : public bus::EventAuthorizer {
 public:
  explicit TokenEventAuthorizer(const Permission& permission)
      : authorizer_(permission.authorizer->EventAuthorizerOf(permission.identity)) {}
  std::uint64_t Refresh() override { return authorizer_->Refresh(); }
  bool Allows(std::string_view path, std::string_view type) override {
    return authorizer_->Allows(path, type);
  }

 private:
  const std::unique_ptr<access::EventAuthorizer> authorizer_;
};

// Keeps the watches of a subscriber, see Authorizer::Watch.
class WatchingAuthorizer final : public bus::EventAuthorizer {
 public:
  WatchingAuthorizer(const Permission& permission, std::shared_ptr<const void> token,
                     std::shared_ptr<const void> policies)
      : authorizer_(permission), token_(std::move(token)), policies_(std::move(policies)) {}
  std::uint64_t Refresh() override { return authorizer_.Refresh(); }
  bool Allows(std::string_view path, std::string_view type) override {
    return authorizer_.Allows(path, type);
  }

 private:
  TokenEventAuthorizer authorizer_;
  const std::shared_ptr<const void> token_;
  const std::shared_ptr<const void> policies_;
};

}  // namespace

bool Permission::Holds() const {
  return authorizer->Allows(identity,
                            {.capability = capability, .path = path, .parameters = &parameters});
}

std::unique_ptr<bus::EventAuthorizer> NewEventAuthorizer(const Permission& permission) {
  return std::make_unique<TokenEventAuthorizer>(permission);
}

std::unique_ptr<bus::EventAuthorizer> NewWatchingAuthorizer(
    const std::shared_ptr<const Permission>& permission,
    const std::shared_ptr<Subscriber>& subscriber) {
  std::shared_ptr<const void> token = permission->authorizer->Watch(
      permission->identity, [subscriber](std::string_view reason) { subscriber->End(reason); });
  if (token == nullptr) return nullptr;
  std::shared_ptr<const void> policies =
      permission->authorizer->WatchPolicies([permission, subscriber] {
        if (permission->Holds()) {
          subscriber->AwaitSending();
        } else {
          subscriber->End("permission to subscribe was taken away");
        }
      });
  return std::make_unique<WatchingAuthorizer>(*permission, std::move(token), std::move(policies));
}

}  // namespace belfry::subscriptions
