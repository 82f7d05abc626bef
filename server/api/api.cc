#include "server/api/api.h"

#include <utility>

#include "base/ids.h"
#include "base/text.h"
#include "server/api/authentication.h"
#include "server/api/call.h"
#include "server/api/canonical_path.h"
#include "server/api/cubbyhole_endpoints.h"
#include "server/api/engine_requests.h"
#include "server/api/request_parsing.h"
#include "server/api/responses.h"
#include "server/api/subscribe_endpoint.h"
#include "server/api/system_endpoints.h"

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

HttpResponse AnonymousBodyTooLarge() {
  return ErrorAnswer(413, Concat({"request body too large: without a valid token it may have ",
                                  std::to_string(kMaxUnaskedBodyBytes), " bytes"}));
}

// The client learns which namespace its answer is about.
void NameNamespace(std::string space, HttpResponse* response) {
  response->headers.emplace_back("X-Vault-Namespace", std::move(space));
}

class ApiImpl final : public Api {
 public:
  explicit ApiImpl(Dependencies dependencies)
      : dependencies_(std::move(dependencies)), system_(&dependencies_) {}

  void Handle(HttpRequest request, Respond respond) override {
    if (std::string space(request.Header("X-Vault-Namespace")); !space.empty()) {
      respond = [space = std::move(space), respond = std::move(respond)](Outcome outcome) mutable {
        if (auto* response = std::get_if<HttpResponse>(&outcome)) {
          NameNamespace(std::move(space), response);
        }
        respond(std::move(outcome));
      };
    }
    std::variant<Call, HttpResponse> understood = Understand(request);
    if (auto* answer = std::get_if<HttpResponse>(&understood)) return respond(std::move(*answer));
    Call& call = std::get<Call>(understood);
    Caller caller = CallerOf(request, call);
    if (SpendsAUse(call, caller)) {
      SpendAUse(std::move(request), std::move(call), std::move(respond));
    } else {
      Identified(std::move(request), std::move(call), std::move(caller), std::move(respond));
    }
  }

  std::optional<HttpResponse> RefuseEarly(const HttpRequest& head,
                                          std::uint64_t body_bytes) const override {
    std::optional<HttpResponse> answer = AnswerWithoutBody(head, body_bytes);
    std::string space(head.Header("X-Vault-Namespace"));
    if (answer && !space.empty()) NameNamespace(std::move(space), &*answer);
    return answer;
  }

 private:
  // Who asks, or the answer to whom nobody knows.
  using Caller = std::variant<Authenticated, HttpResponse>;

  // What is asked for, its data apart; or the answer, where it is the same whoever asks.
  std::variant<Call, HttpResponse> Understand(const HttpRequest& request) const {
    if (std::optional<HttpResponse> refusal = RefuseTarget(request, dependencies_.limits)) {
      return *std::move(refusal);
    }
    if (std::optional<HttpResponse> refusal = RefuseNamespace(request)) return *std::move(refusal);
    if (!request.path.starts_with(kRoot)) return EmptyErrorAnswer(404);
    const std::string_view path = std::string_view(request.path).substr(kRoot.size());
    if (std::optional<HttpResponse> answer = system_.AnswerAnyone(request, path)) {
      return *std::move(answer);
    }
    const bool subscribes = IsSubscribePath(request.path);
    // Any PATCH of a subscription is refused later, not only one without a merge patch.
    const std::variant<mounts::Operation, HttpResponse> operation =
        subscribes && request.method == "PATCH" ? mounts::Operation::kPatch : OperationOf(request);
    if (const auto* refusal = std::get_if<HttpResponse>(&operation)) return *refusal;
    Call call;
    call.operation = std::get<mounts::Operation>(operation);
    call.subscribes = subscribes;
    // Whatever the operation, a subscription lists nothing.
    std::optional<std::string> canonical =
        CanonicalPath(path, subscribes ? mounts::Operation::kRead : call.operation);
    if (!canonical) return NamelessAnswer();
    call.path = *std::move(canonical);
    call.written_path = std::string(path);
    if (std::optional<HttpResponse> refusal = RefuseWrapping(request)) return *std::move(refusal);
    return call;
  }

  Caller CallerOf(const HttpRequest& request, const Call& call) const {
    const access::Authorizer& authorizer = *dependencies_.authorizer;
    return call.subscribes ? AuthenticateSubscriber(authorizer, request)
                           : Authenticate(authorizer, TokenOf(request));
  }

  // A subscription spends none, as in Vault.
  static bool SpendsAUse(const Call& call, const Caller& caller) {
    const auto* const known = std::get_if<Authenticated>(&caller);
    return !call.subscribes && known != nullptr && known->identity.limited;
  }

  // Where storage may be waited for.
  void SpendAUse(HttpRequest request, Call call, Respond respond) const {
    OnExecutor(std::move(respond), [this, request = std::move(request),
                                    call = std::move(call)](Respond answer) mutable {
      Caller caller = AuthenticateRequest(*dependencies_.authorizer, TokenOf(request));
      Identified(std::move(request), std::move(call), std::move(caller), std::move(answer));
    });
  }

  void Identified(HttpRequest request, Call call, Caller caller, Respond respond) const {
    if (auto* refusal = std::get_if<HttpResponse>(&caller)) {
      if (!IsOpenToEverybody(call.path)) return respond(std::move(*refusal));
      call.authenticated = false;
      caller = Authenticated();
    }
    const access::Identity& identity = std::get<Authenticated>(caller).identity;
    if (identity.last_use && !call.subscribes) EndTokenFirst(identity, &respond);
    call.id = NewUuid();
    call.token = std::move(std::get<Authenticated>(caller).token);
    call.identity = std::move(std::get<Authenticated>(caller).identity);
    call.remote_address = std::move(request.remote_address);
    if (!TakesLong(request, call)) return GoOn(request, std::move(call), std::move(respond));
    OnExecutor(std::move(respond),
               [this, request = std::move(request), call = std::move(call)](
                   Respond answer) mutable { GoOn(request, std::move(call), std::move(answer)); });
  }

  // Has `work` respond; or responds with 503 when too much waits there already.
  template <typename Work>
  void OnExecutor(Respond respond, Work work) const {
    // Shared: when the executor refuses the work, it is answered here.
    auto shared_respond = std::make_shared<Respond>(std::move(respond));
    const bool posted = dependencies_.executor->Post(
        [shared_respond, work = std::move(work)]() mutable { work(std::move(*shared_respond)); });
    if (!posted) (*shared_respond)(TooBusy());
  }

  // As RefuseEarly. Runs on a thread that serves many connections: rules that are not put together
  // yet are left to Handle.
  std::optional<HttpResponse> AnswerWithoutBody(const HttpRequest& head,
                                                std::uint64_t body_bytes) const {
    std::variant<Call, HttpResponse> understood = Understand(head);
    if (auto* answer = std::get_if<HttpResponse>(&understood)) return std::move(*answer);
    Call& call = std::get<Call>(understood);
    Caller caller = Authenticate(*dependencies_.authorizer, TokenOf(head));
    if (auto* refusal = std::get_if<HttpResponse>(&caller)) {
      if (!IsOpenToEverybody(call.path)) return std::move(*refusal);
      call.authenticated = false;
      return RefuseBody(call, body_bytes);
    }
    call.identity = std::move(std::get<Authenticated>(caller).identity);
    const bool is_own = system_.Owns(call.path);
    if (is_own && body_bytes > kMaxComparedBodyBytes) return BodyTooLarge();
    if (!dependencies_.authorizer->Ready(call.identity)) return std::nullopt;
    if (!is_own) return RefuseBody(call, body_bytes);
    // Every endpoint of the host that reads a body asks the policies by the path.
    const bool reads =
        call.operation == mounts::Operation::kUpdate || call.operation == mounts::Operation::kPatch;
    if (!reads || BoundsParameters(call) || MayWrite(call)) return std::nullopt;
    return Denied();
  }

  // Whether others would have to wait for it, as the thread serves many connections.
  bool TakesLong(const HttpRequest& request, const Call& call) const {
    return call.subscribes || request.body.size() > kSmallBodyBytes ||
           request.query.size() > kFewParameters || !dependencies_.authorizer->Ready(call.identity);
  }

  void GoOn(HttpRequest& request, Call call, Respond respond) const {
    if (call.subscribes) {
      return respond(AnswerSubscribe(dependencies_, std::move(request), std::move(call)));
    }
    if (!request.body.empty()) {
      std::optional<HttpResponse> refusal = RefuseBody(call, request.body.size());
      if (refusal) return respond(*std::move(refusal));
    }
    std::variant<std::string, HttpResponse> data = DataOf(request, call.operation);
    if (auto* refusal = std::get_if<HttpResponse>(&data)) return respond(std::move(*refusal));
    call.data = std::move(std::get<std::string>(data));
    Dispatch(std::move(call), std::move(respond));
  }

  // What need not be read to be refused. Of the host's own endpoints each knows by what name it
  // asks the policies.
  std::optional<HttpResponse> RefuseBody(const Call& call, std::uint64_t bytes) const {
    const bool is_large = bytes > kMaxComparedBodyBytes;
    if (system_.Owns(call.path)) return is_large ? std::optional(BodyTooLarge()) : std::nullopt;
    if (!call.authenticated) {
      return bytes > kMaxUnaskedBodyBytes ? std::optional(AnonymousBodyTooLarge()) : std::nullopt;
    }
    if (IsOpenToEverybody(call.path)) return std::nullopt;
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
                respond = std::move(*respond)](Outcome outcome) mutable {
      dependencies_.executor->PostAlways([this, identity = std::move(identity),
                                          respond = std::move(respond),
                                          outcome = std::move(outcome)]() mutable {
        EndToken(identity);
        respond(std::move(outcome));
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
