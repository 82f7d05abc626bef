#pragma once

#include <string>
#include <utility>

#include "belfry/response.h"

namespace belfry::internal {

// How the SDK itself sets what a plugin says by way of a SecretKind.
struct ResponseAccess {
  static void SetLease(Response& response, std::string secret_kind, Lease lease) {
    response.secret_kind_ = std::move(secret_kind);
    response.lease_ = std::move(lease);
  }
  static void SetGrant(Response& response, Grant grant) { response.grant_ = std::move(grant); }
};

}  // namespace belfry::internal
