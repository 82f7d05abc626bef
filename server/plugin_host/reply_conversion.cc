#include "server/plugin_host/reply_conversion.h"

#include <utility>

#include "base/http_status.h"

namespace belfry::plugin_host {
namespace {

// ProtoError.err_type
enum ErrorType {
  kUser = 1,
  kCoded = 3,
  kBadRequest = 4,
  kUnsupportedOperation = 5,
  kUnsupportedPath = 6,
  kInvalidRequest = 7,
  kPermissionDenied = 8,
  kMultiAuthorization = 9,
  kUnrecoverable = 10
};

mounts::Lease FromProto(pb::Secret&& secret) {
  return {.ttl = absl::Nanoseconds(secret.lease_options().ttl()),
          .max_ttl = absl::Nanoseconds(secret.lease_options().maxttl()),
          .renewable = secret.lease_options().renewable(),
          .internal_data = std::move(*secret.mutable_internal_data())};
}

// Auth.token_type: batch, and batch unless the mount says otherwise. (plugin-protocol 5.4)
bool IsBatch(std::uint32_t token_type) {
  return token_type == 2 || token_type == 4;
}

mounts::LoginGrant FromProto(pb::Auth&& auth) {
  const pb::LeaseOptions& lease = auth.lease_options();
  return {.policies = {auth.policies().begin(), auth.policies().end()},
          .metadata = {auth.metadata().begin(), auth.metadata().end()},
          .display_name = std::move(*auth.mutable_display_name()),
          .ttl = absl::Nanoseconds(lease.ttl()),
          .max_ttl = absl::Nanoseconds(lease.maxttl()),
          .explicit_max_ttl = absl::Nanoseconds(auth.explicit_max_ttl()),
          .period = absl::Nanoseconds(auth.period()),
          .num_uses = auth.num_uses(),
          .token_type = IsBatch(auth.token_type()) ? "batch" : "",
          .bound_cidrs = {auth.bound_cidrs().begin(), auth.bound_cidrs().end()},
          .renewable = lease.renewable(),
          .no_default_policy = auth.no_default_policy()};
}

mounts::Response FromProto(pb::Response&& response) {
  mounts::Response result;
  result.data = std::move(*response.mutable_data());
  if (result.data.empty()) result.data = "null";
  result.warnings.assign(response.warnings().begin(), response.warnings().end());
  result.redirect = response.redirect();
  for (const auto& [name, header] : response.headers())
    result.headers[name].assign(header.header().begin(), header.header().end());
  if (response.has_secret()) result.lease = FromProto(std::move(*response.mutable_secret()));
  if (response.has_auth()) result.grant = FromProto(std::move(*response.mutable_auth()));
  return result;
}

// When it was issued is the host's to say: plugins fill in what they like.
// (plugin-protocol 5.4, 5.5)
void ToProto(mounts::Lease&& lease, pb::Secret& secret) {
  pb::LeaseOptions& options = *secret.mutable_lease_options();
  options.set_ttl(absl::ToInt64Nanoseconds(lease.ttl));
  options.set_maxttl(absl::ToInt64Nanoseconds(lease.max_ttl));
  options.set_renewable(lease.renewable);
  options.set_increment(absl::ToInt64Nanoseconds(lease.increment));
  const std::int64_t seconds = absl::ToUnixSeconds(lease.issued);
  options.mutable_issue_time()->set_seconds(seconds);
  options.mutable_issue_time()->set_nanos(static_cast<std::int32_t>(
      absl::ToInt64Nanoseconds(lease.issued - absl::FromUnixSeconds(seconds))));
  secret.set_internal_data(std::move(lease.internal_data));
  secret.set_lease_id(std::move(lease.id));
}

}  // namespace

pb::Request ToProto(mounts::Request request) {
  pb::Request proto;
  proto.set_id(std::move(request.id));
  proto.set_operation(std::string(mounts::OperationName(request.operation)));
  proto.set_path(std::move(request.path));
  proto.set_data(std::move(request.data));
  proto.set_client_token(std::move(request.client_token));
  proto.set_client_token_accessor(std::move(request.client_token_accessor));
  proto.set_display_name(std::move(request.display_name));
  proto.set_entity_id(std::move(request.entity_id));
  proto.set_mount_point(std::move(request.mount_point));
  proto.set_mount_type(std::move(request.mount_type));
  proto.set_mount_accessor(std::move(request.mount_accessor));
  proto.set_unauthenticated(request.unauthenticated);
  proto.mutable_connection()->set_remote_addr(std::move(request.remote_address));
  if (request.lease) ToProto(*std::move(request.lease), *proto.mutable_secret());
  return proto;
}

bool IsError(const pb::ProtoError& error) {
  if (error.err_type() > kUnrecoverable) return false;
  return error.err_type() != 0 || !error.err_msg().empty();
}

bool IsUserError(const pb::ProtoError& error) {
  return error.err_type() == kUser;
}

mounts::EngineError FromProto(const pb::ProtoError& error) {
  switch (error.err_type()) {
    case kCoded:
      // An error must not look like success, nor like no HTTP answer at all.
      if (!IsErrorStatus(error.err_code())) return {500, error.err_msg()};
      return {static_cast<int>(error.err_code()), error.err_msg()};
    case kBadRequest:
      return {400, error.err_msg()};
    case kUnsupportedOperation:
      return {405, "unsupported operation"};
    case kUnsupportedPath:
      return {404, "unsupported path"};
    case kInvalidRequest:
      return {400, "invalid request"};
    case kPermissionDenied:
      return {403, "permission denied"};
    case kMultiAuthorization:
      return {403, "request needs further approval"};
    case kUnrecoverable:
      // Vault's words, and where the plugin's own are.
      return {500, "unrecoverable error; the server's log has the plugin's reason"};
    default:
      return {500, error.err_msg()};
  }
}

mounts::Reply FromProto(pb::HandleRequestReply reply) {
  mounts::Reply result;
  if (reply.has_response()) result.response = FromProto(std::move(*reply.mutable_response()));
  if (IsError(reply.err())) {
    result.error = FromProto(reply.err());
    // A user's mistake that comes with an answer is the user's. (plugin-protocol 5.6)
    if (IsUserError(reply.err()) && result.response) result.error->http_status = 400;
  }
  return result;
}

}  // namespace belfry::plugin_host
