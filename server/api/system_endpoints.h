#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "server/api/api.h"
#include "server/api/call.h"

namespace belfry::api {

// What the host answers itself: sys/ and auth/token/. Thread-safe.
class SystemEndpoints {
 public:
  // `dependencies` must outlive it and every answer.
  explicit SystemEndpoints(const Dependencies* dependencies);

  // The answer to what anybody may ask; nullopt when `path` (without "/v1/") needs a token.
  std::optional<HttpResponse> AnswerAnyone(const HttpRequest& request, std::string_view path) const;

  // Whether Answer is to answer `path`.
  bool Owns(std::string_view path) const;
  void Answer(Call call, Respond respond) const;

 private:
  using Handler = HttpResponse (SystemEndpoints::*)(const Call&) const;
  struct Endpoint {
    std::string_view path;
    mounts::Operation operation;
    Handler handler;
  };

  HttpResponse Health(const HttpRequest& request) const;
  HttpResponse SealStatus() const;
  HttpResponse Experiments(const Call& call) const;
  HttpResponse MetricsText(const Call& call) const;
  HttpResponse AuthMethods(const Call& call) const;
  HttpResponse ListMounts(const Call& call) const;
  HttpResponse ListMountsForUi(const Call& call) const;
  HttpResponse MountForUi(const Call& call) const;
  HttpResponse Injected(const Call& call, std::string_view data) const;
  void AnswerAllowed(Call call, Respond respond) const;
  HttpResponse AnswerKnown(const Call& call) const;
  std::string TokenMethodText(bool effective) const;

  const Dependencies& dependencies_;
  const std::string cluster_name_;
  const std::string cluster_id_;
  const std::string token_accessor_;
  const std::string token_uuid_;
};

}  // namespace belfry::api
