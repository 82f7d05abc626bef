#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/access/capability.h"

namespace belfry::access {

// A token that was valid when it was looked up, without its secret.
struct Identity {
  std::string accessor;
  std::string display_name;
  std::string entity_id;
  std::vector<std::string> policies;
  bool root = false;
};

// Answers one question: may X do Y on Z. The only place where a rule of access is decided.
// Thread-safe.
class Authorizer {
 public:
  virtual ~Authorizer() = default;

  // Who holds this token. PermissionDenied "permission denied" when it is empty; Unauthenticated
  // "invalid token" when it is unknown, expired or revoked.
  virtual absl::StatusOr<Identity> Authenticate(std::string_view token) const = 0;

  // Whether `identity` may do `capability` on `path` (with its mount, without "/v1/").
  virtual bool Allows(const Identity& identity, Capability capability,
                      std::string_view path) const = 0;

  // Whether `identity` may be told of an event of `type` on `path` (with its mount).
  virtual bool AllowsEvent(const Identity& identity, std::string_view path,
                           std::string_view type) const = 0;
};

// Dev mode: one root token that may do everything; nobody else exists.
std::unique_ptr<Authorizer> NewDevAuthorizer(std::string root_token);

}  // namespace belfry::access
