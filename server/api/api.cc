#include "server/api/api.h"

#include <utility>

#include "server/api/authentication.h"
#include "server/api/call.h"
#include "server/api/canonical_path.h"
#include "server/api/cubbyhole_endpoints.h"
#include "server/api/mount_endpoint.h"
#include "server/api/request_parsing.h"
#include "server/api/responses.h"
#include "server/api/subscribe.h"
#include "server/api/system_endpoints.h"
#include "server/base/ids.h"
#include "server/base/text.h"

namespace belfry::api {
namespace {

constexpr std::string_view kRoot = "/v1/";
// What is read within microseconds.
constexpr std::size_t kSmallBodyBytes = 16 * 1024;
constexpr std::size_t kFewParameters = 64;
// What is taken apart to be compared with rules, or by the host itself, takes up many times its
// size.
constexpr std::size_t kMaxComparedBodyBytes = 4 * 1024 * 1024;

HttpResponse BodyTooLarge() {
  return ErrorAnswer(413, Concat({"request body too large: where the server itself reads it, or a "
                                  "policy bounds its parameters, it may have ",
                                  std::to_string(kMaxComparedBodyBytes), " bytes"}));
}

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
    } else if (TakesLong(request, std::get<Call>(call))) {
      GoOnElsewhere(std::move(request), std::move(std::get<Call>(call)), std::move(respond));
    } else {
      GoOn(request, std::move(std::get<Call>(call)), std::move(respond));
    }
  }

  bool IsSubscribe(const HttpRequest& request) const override {
    return IsSubscribePath(request.path);
  }

  void Subscribe(HttpRequest request, std::shared_ptr<Subscriber> subscriber,
                 absl::AnyInvocable<void(SubscribeResult)> done) override {
    // Shared: when the executor refuses the work, it is answered here.
    auto shared_done = std::make_shared<absl::AnyInvocable<void(SubscribeResult)>>(std::move(done));
    const bool posted = dependencies_.executor->Post(
        [this, request = std::move(request), subscriber = std::move(subscriber), shared_done] {
          (*shared_done)(OpenSubscription(dependencies_, request, subscriber));
        });
    if (!posted) (*shared_done)(TooBusy());
  }

 private:
  // Who asks for what, its data apart; or the answer, where it needs no more than the request.
  std::variant<Call, HttpResponse> Understand(HttpRequest& request, Respond* respond) const {
    if (std::optional<HttpResponse> refusal = RefuseTarget(request, dependencies_.limits)) {
      return *std::move(refusal);
    }
    if (std::optional<HttpResponse> refusal = RefuseNamespace(request)) return *std::move(refusal);
    if (!request.path.starts_with(kRoot)) return EmptyErrorAnswer(404);
    const std::string_view path = std::string_view(request.path).substr(kRoot.size());
    if (std::optional<HttpResponse> answer = system_.AnswerAnyone(request, path)) {
      return *std::move(answer);
    }
    const std::variant<mounts::Operation, HttpResponse> operation = OperationOf(request);
    if (const auto* refusal = std::get_if<HttpResponse>(&operation)) return *refusal;
    Call call;
    call.operation = std::get<mounts::Operation>(operation);
    std::optional<std::string> canonical = CanonicalPath(path, call.operation);
    if (!canonical) return NamelessAnswer();
    call.path = *std::move(canonical);
    call.written_path = std::string(path);
    if (std::optional<HttpResponse> refusal = RefuseWrapping(request)) return *std::move(refusal);
    std::variant<Authenticated, HttpResponse> caller =
        AuthenticateRequest(*dependencies_.authorizer, TokenOf(request));
    if (auto* refusal = std::get_if<HttpResponse>(&caller)) {
      if (!IsOpenToEverybody(call.path)) return std::move(*refusal);
      call.authenticated = false;
      caller = Authenticated();
    }
    if (const auto& identity = std::get<Authenticated>(caller).identity; identity.last_use) {
      EndTokenFirst(identity, respond);
    }
    call.id = NewUuid();
    call.token = std::move(std::get<Authenticated>(caller).token);
    call.identity = std::move(std::get<Authenticated>(caller).identity);
    call.remote_address = std::move(request.remote_address);
    return call;
  }

  // Whether others would have to wait for it, as the thread serves many connections.
  bool TakesLong(const HttpRequest& request, const Call& call) const {
    return request.body.size() > kSmallBodyBytes || request.query.size() > kFewParameters ||
           !dependencies_.authorizer->Ready(call.identity);
  }

  void GoOnElsewhere(HttpRequest request, Call call, Respond respond) const {
    // Shared: when the executor refuses the work, it is answered here.
    auto shared_respond = std::make_shared<Respond>(std::move(respond));
    const bool posted = dependencies_.executor->Post(
        [this, request = std::move(request), call = std::move(call), shared_respond]() mutable {
          GoOn(request, std::move(call), std::move(*shared_respond));
        });
    if (!posted) (*shared_respond)(TooBusy());
  }

  void GoOn(HttpRequest& request, Call call, Respond respond) const {
    if (std::optional<HttpResponse> refusal = RefuseBody(request, call)) {
      return respond(*std::move(refusal));
    }
    std::variant<std::string, HttpResponse> data = DataOf(request, call.operation);
    if (auto* refusal = std::get_if<HttpResponse>(&data)) return respond(std::move(*refusal));
    call.data = std::move(std::get<std::string>(data));
    Dispatch(std::move(call), std::move(respond));
  }

  // What need not be read to be refused. Of the host's own endpoints each knows by what name it
  // asks the policies.
  std::optional<HttpResponse> RefuseBody(const HttpRequest& request, const Call& call) const {
    if (request.body.empty()) return std::nullopt;
    const bool is_large = request.body.size() > kMaxComparedBodyBytes;
    if (system_.Owns(call.path)) return is_large ? std::optional(BodyTooLarge()) : std::nullopt;
    if (!call.authenticated || IsOpenToEverybody(call.path)) return std::nullopt;
    if (BoundsParameters(call)) return is_large ? std::optional(BodyTooLarge()) : std::nullopt;
    return MayWrite(call) ? std::nullopt : std::optional(Denied());
  }

  bool BoundsParameters(const Call& call) const {
    const auto bounds = [&](access::Capability capability) {
      return dependencies_.authorizer->BoundsParameters(call.identity, capability, call.path);
    };
    return bounds(CapabilityFor(call.operation)) || bounds(access::Capability::kCreate);
  }

  // Whether parameters apart the policies allow it, be there something or not.
  bool MayWrite(const Call& call) const {
    const auto allows = [&](access::Capability capability) {
      return dependencies_.authorizer->Allows(call.identity, capability, call.path);
    };
    return allows(CapabilityFor(call.operation)) ||
           (call.operation == mounts::Operation::kUpdate && allows(access::Capability::kCreate));
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
