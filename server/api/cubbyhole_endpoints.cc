#include "server/api/cubbyhole_endpoints.h"

#include <optional>
#include <utility>
#include <vector>

#include "base/strings.h"
#include "base/text.h"
#include "server/access/cubbyholes.h"
#include "server/api/json_text.h"
#include "server/api/responses.h"

namespace belfry::api {
namespace {

using mounts::Existence;
using mounts::Operation;

constexpr std::string_view kCubbyhole = "cubbyhole";

// Empty for the folder itself.
std::string_view PathIn(const Call& call) {
  return WithoutPrefix(std::string_view(call.path).substr(kCubbyhole.size()), "/");
}

HttpResponse Data(const Call& call, std::string_view data) {
  return EnvelopeAnswer({.request_id = call.id, .data = data, .mount_type = "cubbyhole"});
}

HttpResponse Failure(const absl::Status& status) {
  const std::string_view text = ToStd(status.message());
  switch (status.code()) {
    case absl::StatusCode::kInvalidArgument:
      return ErrorAnswer(400, OneError(text));
    case absl::StatusCode::kUnauthenticated:
      return InvalidToken();
    default:
      return ErrorAnswer(500, OneError(text));
  }
}

HttpResponse List(const Dependencies& dependencies, const Call& call) {
  const absl::StatusOr<std::vector<std::string>> keys =
      dependencies.cubbyholes->List(*call.identity.token, PathIn(call));
  if (!keys.ok()) return Failure(keys.status());
  if (keys->empty()) return EmptyErrorAnswer(404);
  return Data(call, ObjectText().Raw("keys", ArrayText(*keys)).Finish());
}

HttpResponse Write(const Dependencies& dependencies, const Call& call) {
  // Read when the request was, so that it is an object or null.
  const absl::StatusOr<ObjectSummary> summary = Summarize(call.data, kMaxRequestJsonDepth);
  if (!summary.ok() || summary->members == 0)
    return ErrorAnswer(400, OneError("missing data fields"));
  const absl::Status status =
      dependencies.cubbyholes->Put(*call.identity.token, PathIn(call), call.data);
  return status.ok() ? NoContent() : Failure(status);
}

HttpResponse Delete(const Dependencies& dependencies, const Call& call) {
  const absl::Status status = dependencies.cubbyholes->Delete(*call.identity.token, PathIn(call));
  return status.ok() ? NoContent() : Failure(status);
}

HttpResponse Answer(const Dependencies& dependencies, const Call& call) {
  if (call.operation == Operation::kList) {
    return MayCall(dependencies, call, Existence::kUnknown) ? List(dependencies, call) : Denied();
  }
  const absl::StatusOr<std::optional<std::string>> found =
      dependencies.cubbyholes->Get(*call.identity.token, PathIn(call));
  if (!found.ok()) return Failure(found.status());
  if (!MayCall(dependencies, call, *found ? Existence::kExists : Existence::kMissing)) {
    return Denied();
  }
  if (PathIn(call).empty()) return ErrorAnswer(400, OneError("missing path"));
  switch (call.operation) {
    case Operation::kRead:
      return *found ? Data(call, **found) : EmptyErrorAnswer(404);
    case Operation::kUpdate:
      return Write(dependencies, call);
    case Operation::kDelete:
      return Delete(dependencies, call);
    default:
      return UnsupportedOperation();
  }
}

}  // namespace

bool IsCubbyholePath(std::string_view path) {
  return path.starts_with(kCubbyhole) &&
         (path.size() == kCubbyhole.size() || path[kCubbyhole.size()] == '/');
}

void AnswerCubbyhole(const Dependencies& dependencies, Call call, Respond respond) {
  if (call.operation == Operation::kUpdate && call.written_path.ends_with("/")) {
    respond(ErrorAnswer(400, "cannot write to a path ending in '/'"));
    return;
  }
  // The root has the mount's name, as that of any mount.
  if (call.path == kCubbyhole) call.path += '/';
  AnswerOnExecutor(dependencies, std::move(call), std::move(respond), &Answer);
}

}  // namespace belfry::api
