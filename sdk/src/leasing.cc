#include "sdk/src/leasing.h"

#include <cstdio>
#include <cstdlib>
#include <utility>

#include "base/text.h"
#include "sdk/src/failure.h"
#include "sdk/src/guard.h"
#include "sdk/src/request_impl.h"
#include "sdk/src/response_access.h"

namespace belfry::internal {
namespace {

constexpr std::string_view kRenew = "renew";
constexpr std::string_view kRevoke = "revoke";

OutgoingReply Fail(const absl::Status& status) {
  return {.response = std::nullopt, .error = ToError(status)};
}

OutgoingReply Unsupported() {
  return Fail(absl::UnimplementedError(kUnsupportedOperationText));
}

}  // namespace

class Leasing::Kind final : public SecretKind {
 public:
  explicit Kind(std::string_view name) : name_(name) {}

  SecretKind& OnRenew(RenewHandler handler) override {
    return Set(renew_, std::move(handler), "OnRenew");
  }
  SecretKind& OnRevoke(RevokeHandler handler) override {
    return Set(revoke_, std::move(handler), "OnRevoke");
  }
  std::string_view name() const override { return name_; }
  const RenewHandler& renew() const { return renew_; }
  const RevokeHandler& revoke() const { return revoke_; }
  std::vector<std::string> EndDescription() {
    described_ = true;
    if (!revoke_ && mistakes_.empty()) {
      mistakes_.push_back(Concat({title(),
                                  " cannot be revoked: OnRevoke is missing, which must also be "
                                  "called for what ends by itself"}));
    }
    return mistakes_;
  }
  std::string title() const { return Concat({"secret \"", name_, "\""}); }

 private:
  template <typename Function>
  SecretKind& Set(Function& place, Function given, std::string_view call) {
    CheckDescribing();
    if (!given) mistakes_.push_back(Concat({title(), " calls ", call, " with null"}));
    if (place) mistakes_.push_back(Concat({title(), " calls ", call, " twice"}));
    place = std::move(given);
    return *this;
  }
  void CheckDescribing() const {
    if (!described_) return;
    std::fprintf(stderr, "belfry: the secret \"%s\" was changed after `define` had returned\n",
                 name_.c_str());
    std::abort();
  }

  const std::string name_;
  RenewHandler renew_;
  RevokeHandler revoke_;
  bool described_ = false;
  std::vector<std::string> mistakes_;
};

Leasing::Leasing() = default;
Leasing::~Leasing() = default;

SecretKind& Leasing::Add(std::string_view name) {
  kinds_.push_back(std::make_unique<Kind>(name));
  return *kinds_.back();
}

void Leasing::RenewLoginsWith(GrantRenewHandler handler) {
  if (!handler) mistakes_.emplace_back("OnRenewLogin is called with null");
  if (renew_login_) mistakes_.emplace_back("OnRenewLogin is called twice");
  renew_login_ = std::move(handler);
}

std::vector<std::string> Leasing::EndDescription() {
  for (const auto& kind : kinds_) {
    if (Find(kind->name()) != kind.get())
      mistakes_.push_back(Concat({kind->title(), " is described twice"}));
    for (std::string& mistake : kind->EndDescription()) mistakes_.push_back(std::move(mistake));
  }
  return mistakes_;
}

const Leasing::Kind* Leasing::Find(std::string_view name) const {
  for (const auto& kind : kinds_) {
    if (kind->name() == name) return kind.get();
  }
  return nullptr;
}

bool Leasing::Concerns(std::string_view operation) {
  return operation == kRenew || operation == kRevoke;
}

OutgoingReply Leasing::Handle(const IncomingRequest& request, const MountContext& mount) const {
  if (request.secret) return HandleSecret(request, mount);
  if (request.grant && request.operation == kRenew) return RenewLogin(request, mount);
  return Fail(absl::UnknownError("request has no secret"));
}

OutgoingReply Leasing::HandleSecret(const IncomingRequest& request,
                                    const MountContext& mount) const {
  const Kind* kind = Find(request.secret->kind);
  if (kind == nullptr) {
    return Fail(absl::UnknownError(
        Concat({"this plugin knows no secret of the kind \"", request.secret->kind, "\""})));
  }
  if (request.operation == kRevoke) {
    RequestImpl typed(request, Operation::kRevoke, mount);
    const absl::Status status =
        Guarded("OnRevoke", [&] { return kind->revoke()(typed, request.secret->secret); });
    if (!status.ok()) return Fail(Reported(status, request, *mount.log));
    return {.response = Response::NoContent(), .error = std::nullopt};
  }
  if (!kind->renew()) return Unsupported();
  RequestImpl typed(request, Operation::kRenew, mount);
  absl::StatusOr<Lease> lease =
      Guarded("OnRenew", [&] { return kind->renew()(typed, request.secret->secret); });
  if (!lease.ok()) return Fail(Reported(lease.status(), request, *mount.log));
  Response response = Response::NoContent();
  ResponseAccess::SetLease(response, std::string(kind->name()), *std::move(lease));
  return {.response = std::move(response), .error = std::nullopt};
}

OutgoingReply Leasing::RenewLogin(const IncomingRequest& request, const MountContext& mount) const {
  if (!renew_login_) return Unsupported();
  RequestImpl typed(request, Operation::kRenew, mount);
  absl::StatusOr<Grant> grant =
      Guarded("OnRenewLogin", [&] { return renew_login_(typed, *request.grant); });
  if (!grant.ok()) return Fail(Reported(grant.status(), request, *mount.log));
  Response response = Response::NoContent();
  ResponseAccess::SetGrant(response, *std::move(grant));
  return {.response = std::move(response), .error = std::nullopt};
}

void Leasing::Correct(Response& response) const {
  if (response.lease()) {
    const Kind* kind = Find(response.secret_kind());
    if (kind != nullptr && kind->renew()) return;
    Lease lease = *response.lease();
    lease.renewable = false;
    ResponseAccess::SetLease(response, response.secret_kind(), std::move(lease));
  }
  if (response.grant() && !renew_login_) {
    Grant grant = *response.grant();
    grant.lease.renewable = false;
    ResponseAccess::SetGrant(response, std::move(grant));
  }
}

}  // namespace belfry::internal
