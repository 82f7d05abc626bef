#include "server/api/api.h"

#include <utility>

#include "server/api/authentication.h"
#include "server/api/call.h"
#include "server/api/cubbyhole_endpoints.h"
#include "server/api/mount_endpoint.h"
#include "server/api/request_parsing.h"
#include "server/api/responses.h"
#include "server/api/subscribe.h"
#include "server/api/system_endpoints.h"
#include "server/base/ids.h"

namespace belfry::api {
namespace {

constexpr std::string_view kRoot = "/v1/";

class ApiImpl final : public Api {
 public:
  explicit ApiImpl(Dependencies dependencies)
      : dependencies_(std::move(dependencies)), system_(&dependencies_) {}

  void Handle(HttpRequest request, Respond respond) override {
    if (std::string space(request.Header("X-Vault-Namespace")); !space.empty()) {
      // The client learns which namespace its answer is about.
      respond = [space = std::move(space),
                 respond = std::move(respond)](HttpResponse response) mutable {
        response.headers.emplace_back("X-Vault-Namespace", std::move(space));
        respond(std::move(response));
      };
    }
    std::variant<Call, HttpResponse> call = Understand(request, &respond);
    if (auto* answer = std::get_if<HttpResponse>(&call)) {
      respond(std::move(*answer));
      return;
    }
    Dispatch(std::move(std::get<Call>(call)), std::move(respond));
  }

  bool IsSubscribe(const HttpRequest& request) const override {
    return IsSubscribePath(request.path);
  }

  std::variant<OpenedSubscription, HttpResponse> Subscribe(
      const HttpRequest& request, std::shared_ptr<Subscriber> subscriber) override {
    return OpenSubscription(dependencies_, request, std::move(subscriber));
  }

 private:
  // Who asks for what; or the answer, where it needs no more than the request.
  std::variant<Call, HttpResponse> Understand(HttpRequest& request, Respond* respond) const {
    if (std::optional<HttpResponse> refusal = RefusePath(request.path)) return *std::move(refusal);
    if (std::optional<HttpResponse> refusal = RefuseNamespace(request)) return *std::move(refusal);
    if (!request.path.starts_with(kRoot)) return EmptyErrorAnswer(404);
    const std::string_view path = std::string_view(request.path).substr(kRoot.size());
    if (std::optional<HttpResponse> answer = system_.AnswerAnyone(request, path)) {
      return *std::move(answer);
    }
    const std::variant<mounts::Operation, HttpResponse> operation = OperationOf(request);
    if (const auto* refusal = std::get_if<HttpResponse>(&operation)) return *refusal;
    std::variant<Authenticated, HttpResponse> caller =
        AuthenticateRequest(*dependencies_.authorizer, TokenOf(request));
    Call call;
    if (auto* refusal = std::get_if<HttpResponse>(&caller)) {
      if (!IsOpenToEverybody(path)) return std::move(*refusal);
      call.authenticated = false;
      caller = Authenticated();
    }
    if (const auto& identity = std::get<Authenticated>(caller).identity; identity.last_use) {
      EndTokenFirst(identity, respond);
    }
    call.operation = std::get<mounts::Operation>(operation);
    std::variant<std::string, HttpResponse> data = DataOf(request, call.operation);
    if (auto* refusal = std::get_if<HttpResponse>(&data)) return std::move(*refusal);
    call.id = NewUuid();
    call.path = std::string(path);
    if (call.operation == mounts::Operation::kList && !path.ends_with("/")) call.path += '/';
    call.data = std::move(std::get<std::string>(data));
    call.token = std::move(std::get<Authenticated>(caller).token);
    call.identity = std::move(std::get<Authenticated>(caller).identity);
    call.remote_address = std::move(request.remote_address);
    return call;
  }

  // Before the client learns that the request is done, its token has ended.
  void EndTokenFirst(access::Identity identity, Respond* respond) const {
    *respond = [this, identity = std::move(identity),
                respond = std::move(*respond)](HttpResponse response) mutable {
      dependencies_.executor->PostAlways([this, identity = std::move(identity),
                                          respond = std::move(respond),
                                          response = std::move(response)]() mutable {
        EndToken(identity);
        respond(std::move(response));
      });
    };
  }

  void EndToken(const access::Identity& identity) const {
    const absl::Status status = dependencies_.authorizer->EndLastUse(identity);
    if (status.ok()) return;
    dependencies_.logger.Error(
        "a token that is used up could not be deleted",
        {{"accessor", identity.accessor}, {"error", std::string(status.message())}});
  }

  bool IsOpenToEverybody(std::string_view path) const {
    if (system_.Owns(path)) return false;
    const std::optional<mounts::Route> route = dependencies_.mounts->Find(path);
    return route && route->mount->engine != nullptr &&
           route->mount->engine->Special()->unauthenticated.Contains(route->path);
  }

  void Dispatch(Call call, Respond respond) const {
    if (system_.Owns(call.path)) {
      system_.Answer(std::move(call), std::move(respond));
    } else if (IsCubbyholePath(call.path)) {
      AnswerCubbyhole(dependencies_, std::move(call), std::move(respond));
    } else {
      AnswerFromMount(dependencies_, std::move(call), std::move(respond));
    }
  }

  const Dependencies dependencies_;
  const SystemEndpoints system_;
};

}  // namespace

std::unique_ptr<Api> Api::Create(Dependencies dependencies) {
  return std::make_unique<ApiImpl>(std::move(dependencies));
}

}  // namespace belfry::api
