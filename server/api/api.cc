#include "server/api/api.h"

#include <utility>

#include "base/ids.h"
#include "base/text.h"
#include "server/api/answered.h"
#include "server/api/authentication.h"
#include "server/api/canonical_path.h"
#include "server/api/engine_requests.h"
#include "server/api/render.h"
#include "server/api/request_parsing.h"
#include "server/api/subscribe_endpoint.h"
#include "server/builtin/builtin.h"

namespace belfry::api {

using builtin::Answer;
using builtin::Call;
using builtin::CapabilityFor;
using builtin::Denied;
using builtin::EmptyErrorAnswer;
using builtin::ErrorAnswer;
using builtin::TooBusy;

namespace {

constexpr std::string_view kRoot = "/v1/";
// What is read within microseconds.
constexpr std::size_t kSmallBodyBytes = 16 * 1024;
constexpr std::size_t kFewParameters = 64;
// What is taken apart to be compared with rules, or by the host itself, takes up many times its
// size.
constexpr std::size_t kMaxComparedBodyBytes = 4 * 1024 * 1024;

Answer BodyTooLarge() {
  return ErrorAnswer(413, Concat({"request body too large: where the server itself reads it, or a "
                                  "policy bounds its parameters, it may have ",
                                  std::to_string(kMaxComparedBodyBytes), " bytes"}));
}

Answer AnonymousBodyTooLarge() {
  return ErrorAnswer(413, Concat({"request body too large: without a valid token it may have ",
                                  std::to_string(kMaxUnaskedBodyBytes), " bytes"}));
}

// Makes bytes of what is answered.
AnswerCallback Rendering(std::string space, Respond respond) {
  return [space = std::move(space), respond = std::move(respond)](Answered answered) mutable {
    if (auto* opened = std::get_if<subscriptions::OpenedSubscription>(&answered)) {
      return respond(std::move(*opened));
    }
    if (std::holds_alternative<WithoutSubscriber>(answered)) return respond(WithoutSubscriber());
    Answer& answer = std::get<Answer>(answered);
    if (answer.body == Answer::Body::kSealServer) return respond(SealServer());
    if (answer.body == Answer::Body::kSnapshot) return respond(SaveSnapshot());
    respond(Render(std::move(answer), space));
  };
}

std::string NamespaceOf(const HttpRequest& request) {
  return std::string(request.Header("X-Vault-Namespace"));
}

class ApiImpl final : public Api {
 public:
  explicit ApiImpl(Dependencies dependencies)
      : dependencies_(std::move(dependencies)), host_(dependencies_.host) {}

  // The way of every request: what is asked, who asks, whether it costs much; then it is authorised
  // and answered by an engine of the host or of a mount, or becomes a subscription.
  void Handle(HttpRequest request, Respond respond_bytes) override {
    AnswerCallback respond = Rendering(NamespaceOf(request), std::move(respond_bytes));
    std::variant<Call, Answer> understood = Understand(request);
    if (auto* answer = std::get_if<Answer>(&understood)) return respond(std::move(*answer));
    Call& call = std::get<Call>(understood);
    Caller caller = CallerOf(request, call);
    if (SpendsAUse(call, caller)) {
      SpendAUse(std::get<Authenticated>(caller).identity.accessor, std::move(request),
                std::move(call), std::move(respond));
    } else {
      Identified(std::move(request), std::move(call), std::move(caller), std::move(respond));
    }
  }

  std::optional<HttpResponse> RefuseEarly(const HttpRequest& head,
                                          std::uint64_t body_bytes) const override {
    std::optional<Answer> answer = AnswerWithoutBody(head, body_bytes);
    if (!answer) return std::nullopt;
    return Render(*std::move(answer), NamespaceOf(head));
  }

 private:
  // Who asks, or the answer to whom nobody knows.
  using Caller = std::variant<Authenticated, Answer>;

  // What is asked for, its data apart; or the answer, where it is the same whoever asks.
  std::variant<Call, Answer> Understand(const HttpRequest& request) const {
    if (std::optional<Answer> refusal = RefuseTarget(request, host_.limits)) {
      return *std::move(refusal);
    }
    if (std::optional<Answer> refusal = RefuseNamespace(request)) return *std::move(refusal);
    if (!request.path.starts_with(kRoot))
      return ErrorAnswer(404, "the paths of the API begin with /v1/");
    const std::string_view path = std::string_view(request.path).substr(kRoot.size());
    const bool subscribes = IsSubscribePath(request.path);
    // Any PATCH of a subscription is refused later, not only one without a merge patch.
    const std::variant<mounts::Operation, Answer> operation =
        subscribes && request.method == "PATCH" ? mounts::Operation::kPatch : OperationOf(request);
    if (const auto* refusal = std::get_if<Answer>(&operation)) return *refusal;
    Call call;
    call.operation = std::get<mounts::Operation>(operation);
    call.subscribes = subscribes;
    // Whatever the operation, a subscription lists nothing.
    std::optional<std::string> canonical =
        CanonicalPath(path, subscribes ? mounts::Operation::kRead : call.operation);
    if (!canonical) return NamelessAnswer();
    call.path = *std::move(canonical);
    call.written_path = std::string(path);
    if (std::optional<Answer> refusal = RefuseWrapping(request)) return *std::move(refusal);
    return call;
  }

  Caller CallerOf(const HttpRequest& request, const Call& call) const {
    const access::Authorizer& authorizer = *host_.authorizer;
    return call.subscribes ? AuthenticateSubscriber(authorizer, request)
                           : Authenticate(authorizer, TokenOf(request));
  }

  // A subscription spends none, as in Vault.
  static bool SpendsAUse(const Call& call, const Caller& caller) {
    const auto* const known = std::get_if<Authenticated>(&caller);
    return !call.subscribes && known != nullptr && known->identity.limited;
  }

  // Where storage may be waited for.
  void SpendAUse(std::string_view accessor, HttpRequest request, Call call,
                 AnswerCallback respond) const {
    OnExecutor(accessor, std::move(respond),
               [this, request = std::move(request),
                call = std::move(call)](AnswerCallback answer) mutable {
                 Caller caller = AuthenticateRequest(*host_.authorizer, TokenOf(request));
                 Identified(std::move(request), std::move(call), std::move(caller),
                            std::move(answer));
               });
  }

  void Identified(HttpRequest request, Call call, Caller caller, AnswerCallback respond) const {
    if (auto* refusal = std::get_if<Answer>(&caller)) {
      if (!MayBeAnonymous(request, call)) return respond(std::move(*refusal));
      call.authenticated = false;
      caller = Authenticated();
    }
    const access::Identity& identity = std::get<Authenticated>(caller).identity;
    if (identity.limited && !call.subscribes) FinishUseBeforeResponding(identity, &respond);
    call.id = NewUuid();
    call.token = std::move(std::get<Authenticated>(caller).token);
    call.identity = std::move(std::get<Authenticated>(caller).identity);
    call.remote_address = std::move(request.remote_address);
    if (!TakesLong(request, call)) return GoOn(request, std::move(call), std::move(respond));
    const std::string owner(builtin::OwnerOf(call));
    OnExecutor(owner, std::move(respond),
               [this, request = std::move(request),
                call = std::move(call)](AnswerCallback answer) mutable {
                 // It may have ended while the request waited.
                 if (!call.identity.Lasts(host_.clock->Now())) return answer(Denied());
                 GoOn(request, std::move(call), std::move(answer));
               });
  }

  // Has `work` respond; or responds with 503 when too much waits there already.
  template <typename Work>
  void OnExecutor(std::string_view owner, AnswerCallback respond, Work work) const {
    // Shared: when the executor refuses the work, it is answered here.
    auto shared_respond = std::make_shared<AnswerCallback>(std::move(respond));
    const bool posted = host_.executor->PostFor(
        owner,
        [shared_respond, work = std::move(work)]() mutable { work(std::move(*shared_respond)); });
    if (!posted) (*shared_respond)(TooBusy());
  }

  // As RefuseEarly. Runs on a thread that serves many connections: rules that are not put together
  // yet are left to Handle.
  std::optional<Answer> AnswerWithoutBody(const HttpRequest& head, std::uint64_t body_bytes) const {
    std::variant<Call, Answer> understood = Understand(head);
    if (auto* answer = std::get_if<Answer>(&understood)) return std::move(*answer);
    Call& call = std::get<Call>(understood);
    Caller caller = CallerOf(head, call);
    if (auto* refusal = std::get_if<Answer>(&caller)) {
      if (!MayBeAnonymous(head, call)) return std::move(*refusal);
      call.authenticated = false;
      return RefuseBody(call, body_bytes);
    }
    call.identity = std::move(std::get<Authenticated>(caller).identity);
    const bool is_own = builtin::TakesApart(call.path);
    if (is_own && body_bytes > kMaxComparedBodyBytes) return BodyTooLarge();
    if (!host_.authorizer->Ready(call.identity)) return std::nullopt;
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
           request.query.size() > kFewParameters || !host_.authorizer->Ready(call.identity);
  }

  void GoOn(HttpRequest& request, Call call, AnswerCallback respond) const {
    if (call.subscribes) {
      return respond(AnswerSubscribe(dependencies_, std::move(request), std::move(call)));
    }
    if (!request.body.empty()) {
      std::optional<Answer> refusal = RefuseBody(call, request.body.size());
      if (refusal) return respond(*std::move(refusal));
    }
    std::variant<std::string, Answer> data = DataOf(request, call.operation);
    if (auto* refusal = std::get_if<Answer>(&data)) return respond(std::move(*refusal));
    call.data = std::move(std::get<std::string>(data));
    Dispatch(std::move(call), std::move(respond));
  }

  // What need not be read to be refused. Of the host's own endpoints each knows by what name it
  // asks the policies.
  std::optional<Answer> RefuseBody(const Call& call, std::uint64_t bytes) const {
    const bool is_large = bytes > kMaxComparedBodyBytes;
    if (builtin::TakesApart(call.path))
      return is_large ? std::optional(BodyTooLarge()) : std::nullopt;
    if (!call.authenticated) {
      return bytes > kMaxUnaskedBodyBytes ? std::optional(AnonymousBodyTooLarge()) : std::nullopt;
    }
    if (IsOpenToEverybody(call.path)) return std::nullopt;
    if (BoundsParameters(call)) return is_large ? std::optional(BodyTooLarge()) : std::nullopt;
    return MayWrite(call) ? std::nullopt : std::optional(Denied());
  }

  bool BoundsParameters(const Call& call) const {
    const auto bounds = [&](access::Capability capability) {
      return host_.authorizer->BoundsParameters(call.identity, capability, call.path);
    };
    return bounds(CapabilityFor(call.operation)) || bounds(access::Capability::kCreate);
  }

  // Whether parameters apart the policies allow it, be there something or not.
  bool MayWrite(const Call& call) const {
    const auto allows = [&](access::Capability capability) {
      return host_.authorizer->Allows(call.identity, capability, call.path);
    };
    return allows(CapabilityFor(call.operation)) ||
           (call.operation == mounts::Operation::kUpdate && allows(access::Capability::kCreate));
  }

  // Before the client learns that the request is done, the token that it used up has ended.
  void FinishUseBeforeResponding(access::Identity identity, AnswerCallback* respond) const {
    *respond = [this, identity = std::move(identity),
                respond = std::move(*respond)](Answered answered) mutable {
      if (!host_.authorizer->FinishUse(identity)) return respond(std::move(answered));
      host_.executor->PostAlways([this, identity = std::move(identity),
                                  respond = std::move(respond),
                                  answered = std::move(answered)]() mutable {
        EndToken(identity);
        respond(std::move(answered));
      });
    };
  }

  void EndToken(const access::Identity& identity) const {
    const absl::Status status = host_.authorizer->EndUsedUp(identity);
    if (status.ok()) return;
    host_.logger.Error("a token that is used up could not be deleted",
                       {{"accessor", identity.accessor}, {"error", std::string(status.message())}});
  }

  // Whether a request goes on although its sender is unknown.
  bool MayBeAnonymous(const HttpRequest& request, const Call& call) const {
    return IsOpenToEverybody(call.path) || (TokenOf(request).empty() && builtin::IsOpen(call.path));
  }

  bool IsOpenToEverybody(std::string_view path) const {
    if (builtin::Owns(path)) return false;
    const std::optional<mounts::Route> route = host_.router->Find(path);
    return route && route->mount->engine != nullptr &&
           route->mount->engine->Special()->unauthenticated.Contains(route->path);
  }

  void Dispatch(Call call, AnswerCallback respond) const {
    if (builtin::Owns(call.path)) {
      builtin::Handle(host_, std::move(call), std::move(respond));
    } else {
      AnswerFromMount(dependencies_, std::move(call), std::move(respond));
    }
  }

  const Dependencies dependencies_;
  const builtin::Dependencies& host_;
};

}  // namespace

std::unique_ptr<Api> Api::Create(Dependencies dependencies) {
  return std::make_unique<ApiImpl>(std::move(dependencies));
}

}  // namespace belfry::api
