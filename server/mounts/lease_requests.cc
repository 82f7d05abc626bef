#include "server/mounts/lease_requests.h"

#include <boost/json.hpp>
#include <memory>
#include <utility>

#include "server/mounts/salted_token.h"

namespace belfry::mounts {
namespace {

constexpr int kNotFound = 404;
constexpr int kUnsupported = 405;

// Of nobody in particular.
Request HostsRequest(const MountEntry& entry, Operation operation, SteadyTime deadline) {
  Request request;
  request.operation = operation;
  request.mount_point = entry.path;
  request.mount_type = entry.type;
  request.mount_accessor = entry.accessor;
  request.client_token = SaltedToken(entry.uuid, "");
  request.deadline = deadline;
  return request;
}

// What an answer with the data {"error": …} says: an engine's way to refuse with an answer.
std::string ReportedError(const std::string& data) {
  boost::json::error_code bad;
  const boost::json::value value = boost::json::parse(data, bad);
  if (bad || !value.is_object()) return "";
  const boost::json::value* error = value.get_object().if_contains("error");
  return error != nullptr && error->is_string() ? std::string(error->get_string()) : "";
}

}  // namespace

Request LeaseRequest(const MountEntry& entry, const LeaseRecord& record, Operation operation,
                     SteadyTime deadline) {
  Request request = HostsRequest(entry, operation, deadline);
  request.path = record.path;
  request.data = record.data;
  request.lease = record.lease;
  if (operation == Operation::kRenew) request.lease->id.clear();
  return request;
}

absl::Status Outcome(const absl::StatusOr<Reply>& reply) {
  if (!reply.ok()) return reply.status();
  if (reply->response) {
    if (const std::string error = ReportedError(reply->response->data); !error.empty())
      return absl::InvalidArgumentError(error);
  }
  if (reply->error) return absl::InvalidArgumentError(reply->error->message);
  return absl::OkStatus();
}

absl::Status RollBack(const Mount& mount, SteadyTime deadline, absl::Duration patience) {
  // Shared: whoever sets the value may still be at it when the value has been got.
  auto answered = std::make_shared<std::promise<absl::StatusOr<Reply>>>();
  mount.engine->Handle(
      RollbackRequest(mount.entry, deadline),
      [answered](absl::StatusOr<Reply> reply) { answered->set_value(std::move(reply)); });
  return RollbackOutcome(Await(answered->get_future(), *mount.engine, patience));
}

Request RollbackRequest(const MountEntry& entry, SteadyTime deadline) {
  return HostsRequest(entry, Operation::kRollback, deadline);
}

absl::Status RollbackOutcome(const absl::StatusOr<Reply>& reply) {
  if (reply.ok() && reply->error &&
      (reply->error->http_status == kNotFound || reply->error->http_status == kUnsupported)) {
    return absl::OkStatus();
  }
  return Outcome(reply);
}

}  // namespace belfry::mounts
