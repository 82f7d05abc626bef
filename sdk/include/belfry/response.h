#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "belfry/json.h"

namespace belfry {

// What a handler answers. A value; copy and move as you like.
//
// Handlers return Result: a Response, or a status whose message the client reads. The code decides
// the HTTP status:
//   InvalidArgument 400 · PermissionDenied 403 · NotFound 404 · Unimplemented 405 · Aborted 409 ·
//   FailedPrecondition 412 · ResourceExhausted 429 · Unavailable 503 · DeadlineExceeded 504 · all
//   else 500.
class Response {
 public:
  // 200 with these members as `data`: Data({{"text", "hi"}, {"length", 2}}).
  static Response Data(Json::Object members);
  // 200 with `keys`; an empty list is answered with 404, as Vault does.
  static Response List(std::vector<std::string> keys);
  // 204.
  static Response NoContent();
  // 404 with no errors: there is no such thing.
  static Response NotFound();
  // Any HTTP status with the usual envelope around `members`, for example a 404 that still shows
  // metadata.
  static Response WithStatus(int http_status, Json::Object members);

  Response& AddWarning(std::string warning);

  // What was set, for transports and tests. The data of a list is its `keys`.
  enum class Kind { kData, kList, kNoContent, kNotFound };
  Kind kind() const { return kind_; }
  const Json::Object& data() const { return data_; }
  const std::vector<std::string>& warnings() const { return warnings_; }
  std::optional<int> http_status() const { return http_status_; }
  friend bool operator==(const Response&, const Response&) = default;

 private:
  explicit Response(Kind kind) : kind_(kind) {}
  Kind kind_;
  Json::Object data_;
  std::vector<std::string> warnings_;
  std::optional<int> http_status_;
};

using Result = absl::StatusOr<Response>;

}  // namespace belfry
