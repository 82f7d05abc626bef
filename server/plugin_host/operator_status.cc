#include "server/plugin_host/operator_status.h"

#include <string>

#include "absl/strings/cord.h"
#include "base/text.h"

namespace belfry::plugin_host {
namespace {

constexpr char kReason[] = "belfry/reason";

}  // namespace

absl::Status WithReason(absl::StatusCode code, std::string_view sentence, std::string_view reason) {
  absl::Status status(code, ToAbsl(sentence));
  status.SetPayload(kReason, absl::Cord(ToAbsl(reason)));
  return status;
}

absl::Status ForOperators(const absl::Status& status) {
  const absl::optional<absl::Cord> reason = status.GetPayload(kReason);
  if (!reason) return status;
  return {status.code(), Concat({ToStd(status.message()), ": ", std::string(*reason)})};
}

absl::Status ForClients(const absl::Status& status) {
  if (!status.GetPayload(kReason)) return status;
  return {status.code(), Concat({ToStd(status.message()), "; the server's log says why"})};
}

}  // namespace belfry::plugin_host
