#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "belfry/request.h"
#include "sdk/src/engine_instance.h"
#include "sdk/src/route.h"

namespace belfry::internal {

// One request as its handler sees it. What it is made of must outlive it.
class RequestImpl final : public Request {
 public:
  // With the fields of its route, converted.
  RequestImpl(const IncomingRequest& incoming, Operation operation, const MountContext& mount,
              const RouteImpl& route, FieldValues fields)
      : incoming_(incoming),
        operation_(operation),
        mount_(mount),
        route_(&route),
        fields_(std::move(fields)) {}
  // Of no route: a renewal or revocation.
  RequestImpl(const IncomingRequest& incoming, Operation operation, const MountContext& mount)
      : incoming_(incoming), operation_(operation), mount_(mount), route_(nullptr) {}

  std::string_view path() const override { return incoming_.path; }
  Operation operation() const override { return operation_; }
  std::string_view id() const override { return incoming_.id; }
  const Json::Object& data() const override { return incoming_.data; }
  Storage& storage() override { return *incoming_.storage; }
  EventSender& events() override { return *incoming_.events; }
  const Log& log() const override { return *mount_.log; }
  const Caller& caller() const override { return incoming_.caller; }
  std::string_view MountOption(std::string_view name) const override;
  const std::map<std::string, std::vector<std::string>>& headers() const override {
    return incoming_.headers;
  }
  absl::Duration wrap_ttl() const override { return incoming_.wrap_ttl; }
  absl::Time Now() const override { return mount_.now(); }
  absl::StatusOr<LeaseTtls> Ttls() const override { return TtlsOf(mount_); }
  absl::Time deadline() const override { return incoming_.deadline; }
  bool cancelled() const override { return incoming_.cancelled && incoming_.cancelled(); }

 private:
  const std::any& Value(FieldId field) const override { return fields_.values[Mine(field)]; }
  bool Given(FieldId field) const override { return fields_.given[Mine(field)]; }
  // Stops the program when the field is not this route's.
  std::size_t Mine(FieldId field) const;

  const IncomingRequest& incoming_;
  const Operation operation_;
  const MountContext& mount_;
  const RouteImpl* const route_;
  const FieldValues fields_;
};

}  // namespace belfry::internal
