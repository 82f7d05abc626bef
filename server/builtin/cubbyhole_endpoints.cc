#include "server/builtin/endpoint.h"

#include <optional>
#include <utility>
#include <vector>

#include "base/strings.h"
#include "base/text.h"
#include "server/access/cubbyholes.h"
#include "server/builtin/json_text.h"

namespace belfry::builtin {
namespace {

using mounts::Existence;
using mounts::Operation;

constexpr std::string_view kCubbyhole = "cubbyhole";

// Every token has a cubbyhole, and the host keeps it.
constexpr std::size_t kMaxEntryBytes = std::size_t{4} * 1024 * 1024;

// Empty for the folder itself.
std::string_view PathIn(const Call& call) {
  return WithoutPrefix(std::string_view(call.path).substr(kCubbyhole.size()), "/");
}

Answer Data(const Call& call, std::string data) {
  return EnvelopeAnswer(
      {.request_id = call.id, .data = std::move(data), .mount_type = "cubbyhole"});
}

Answer Failure(const absl::Status& status) {
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

Answer List(const Dependencies& dependencies, const Call& call) {
  const absl::StatusOr<std::vector<std::string>> keys =
      dependencies.cubbyholes->List(*call.identity.token, PathIn(call));
  if (!keys.ok()) return Failure(keys.status());
  if (keys->empty()) return EmptyErrorAnswer(404);
  return Data(call, ObjectText().Raw("keys", ArrayText(*keys)).Finish());
}

Answer Write(const Dependencies& dependencies, const Call& call) {
  if (call.data.size() > kMaxEntryBytes) {
    return ErrorAnswer(413, "the entry is too large: one of a cubbyhole may have 4 MiB");
  }
  // Read when the request was, so that it is an object or null.
  const absl::StatusOr<ObjectSummary> summary = Summarize(call.data, kMaxRequestJsonDepth);
  if (!summary.ok() || summary->members == 0)
    return ErrorAnswer(400, OneError("missing data fields"));
  const absl::Status status =
      dependencies.cubbyholes->Put(*call.identity.token, PathIn(call), call.data);
  return status.ok() ? NoContent() : Failure(status);
}

Answer Delete(const Dependencies& dependencies, const Call& call) {
  const absl::Status status = dependencies.cubbyholes->Delete(*call.identity.token, PathIn(call));
  return status.ok() ? NoContent() : Failure(status);
}

Answer FindAndAnswer(const Dependencies& dependencies, const Call& call) {
  if (call.operation == Operation::kUpdate && call.written_path.ends_with("/")) {
    return ErrorAnswer(400, "cannot write to a path ending in '/'");
  }
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

// The root has the mount's name, as that of any mount.
Answer AnswerRoot(const Dependencies& dependencies, const Call& call) {
  Call root = call;
  root.path += '/';
  return FindAndAnswer(dependencies, root);
}

constexpr Endpoint kEndpoints[] = {
    {.path = kCubbyhole, .right = Right::kItself, .answer = &AnswerRoot},
    {.path = "cubbyhole/*", .right = Right::kItself, .answer = &FindAndAnswer},
};

}  // namespace

std::span<const Endpoint> CubbyholeEndpoints() {
  return kEndpoints;
}

}  // namespace belfry::builtin
