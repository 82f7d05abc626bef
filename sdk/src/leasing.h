#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sdk/src/engine_instance.h"

namespace belfry::internal {

// What an engine leases and how it is renewed and taken back. Described by one thread; afterwards
// const and thread-safe.
class Leasing final {
 public:
  Leasing();
  ~Leasing();

  SecretKind& Add(std::string_view name);
  void RenewLoginsWith(GrantRenewHandler handler);
  // Nothing may be described after it. What was described wrongly: for example a kind that is
  // described twice, or cannot be revoked.
  std::vector<std::string> EndDescription();

  // Whether this operation is asked of what was leased rather than of a path.
  static bool Concerns(std::string_view operation);
  OutgoingReply Handle(const IncomingRequest& request, const MountContext& mount) const;
  // Nobody is promised a renewal that would fail.
  void Correct(Response& response) const;

 private:
  class Kind;

  const Kind* Find(std::string_view name) const;
  OutgoingReply HandleSecret(const IncomingRequest& request, const MountContext& mount) const;
  OutgoingReply RenewLogin(const IncomingRequest& request, const MountContext& mount) const;

  std::vector<std::unique_ptr<Kind>> kinds_;
  GrantRenewHandler renew_login_;
  std::vector<std::string> mistakes_;
};

}  // namespace belfry::internal
