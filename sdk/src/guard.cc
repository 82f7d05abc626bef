#include "sdk/src/guard.h"

#include "absl/strings/cord.h"
#include "base/text.h"

namespace belfry::internal {
namespace {

constexpr char kPayload[] = "belfry/exception";

absl::Status Thrown(std::string_view what, std::string_view why) {
  absl::Status status = absl::InternalError(ToAbsl(Concat({what, " threw an exception: ", why})));
  status.SetPayload(kPayload, absl::Cord());
  return status;
}

}  // namespace

absl::Status StatusOfException(std::string_view what) {
  try {
    throw;
  } catch (const std::exception& exception) {
    return Thrown(what, exception.what());
  } catch (...) {
    return Thrown(what, "it is no std::exception");
  }
}

bool IsException(const absl::Status& status) {
  return status.GetPayload(kPayload).has_value();
}

}  // namespace belfry::internal
