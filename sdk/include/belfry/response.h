#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "belfry/json.h"
#include "belfry/lease.h"

namespace belfry {

class SecretKind;
namespace internal {
struct ResponseAccess;
}  // namespace internal

// What a handler answers. A value; copy and move as you like.
//
// Handlers return Result: a Response, or a status whose message the client reads. The code decides
// the HTTP status:
//   InvalidArgument 400 · PermissionDenied 403 · NotFound 404 · Unimplemented 405 · Aborted 409 ·
//   FailedPrecondition 412 · ResourceExhausted 429 · Unavailable 503 · DeadlineExceeded 504 · all
//   else 500; or HttpError names it. DataLoss also tells the host that trying again is of no use.
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
  // Any HTTP status and body, with no envelope: a certificate, a metrics page. Bytes of any kind.
  static Response Raw(int http_status, std::string content_type, std::string body);
  // 200 with a secret that ends with its lease; the host then asks `kind` to revoke it.
  static Response Secret(const SecretKind& kind, Json::Object members, Lease lease);
  // 200 with a token; for engines served as EngineKind::kAuth.
  static Response Login(Grant grant);

  Response& AddWarning(std::string warning);
  // Hosts pass on only those that the mount's administrator allows.
  Response& AddHeader(std::string_view name, std::string value);
  // The client gets a token that fetches this answer, once, within `ttl`; whether it has asked for
  // that or not.
  Response& WrapFor(absl::Duration ttl);

  // What was set, for transports and tests. The data of a list is its `keys`.
  enum class Kind { kData, kList, kNoContent, kNotFound, kRaw };
  using Headers = std::map<std::string, std::vector<std::string>>;
  Kind kind() const { return kind_; }
  const Json::Object& data() const { return data_; }
  const std::vector<std::string>& warnings() const { return warnings_; }
  std::optional<int> http_status() const { return http_status_; }
  // Of raw responses; empty for all others.
  const std::string& content_type() const { return content_type_; }
  const std::string& body() const { return body_; }
  const Headers& headers() const { return headers_; }
  const std::optional<Lease>& lease() const { return lease_; }
  // The name of the secret's kind; empty without a lease.
  const std::string& secret_kind() const { return secret_kind_; }
  const std::optional<Grant>& grant() const { return grant_; }
  // Zero: not wrapped.
  absl::Duration wrap_ttl() const { return wrap_ttl_; }
  friend bool operator==(const Response&, const Response&) = default;

 private:
  friend struct internal::ResponseAccess;
  explicit Response(Kind kind) : kind_(kind) {}
  Kind kind_;
  Json::Object data_;
  std::vector<std::string> warnings_;
  std::optional<int> http_status_;
  std::string content_type_, body_;
  Headers headers_;
  std::optional<Lease> lease_;
  std::string secret_kind_;
  std::optional<Grant> grant_;
  absl::Duration wrap_ttl_ = absl::ZeroDuration();
};

using Result = absl::StatusOr<Response>;

// A failure with an HTTP status of its own, 400 to 599, where no code's is right:
//   return HttpError(418, "short and stout");
// With 400 the client sees what it sees of InvalidArgument; but hosts count and audit that as an
// answered request, and this as one that failed.
absl::Status HttpError(int http_status, std::string_view message);
// The status that HttpError gave it; nullopt for all others.
std::optional<int> HttpStatusOf(const absl::Status& status);

}  // namespace belfry
