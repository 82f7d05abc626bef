#include "server/process/process_api.h"

#include <string>
#include <utility>
#include <variant>

#include "base/text.h"
#include "server/api/canonical_path.h"
#include "server/api/render.h"
#include "server/api/request_parsing.h"

namespace belfry::process {
namespace {

using builtin::Answer;
using builtin::EmptyErrorAnswer;
using builtin::ErrorAnswer;

constexpr std::string_view kRoot = "/v1/";
constexpr std::string_view kSystem = "/v1/sys/";
constexpr std::string_view kMetrics = "sys/metrics";
constexpr std::string_view kSeal = "sys/seal";
constexpr std::string_view kSnapshot = "sys/storage/snapshot";

// A share has 33 bytes. What is larger takes a thread of the network, which parses it, from others,
// and needs no token.
constexpr std::size_t kMaxBodyBytes = 4 * 1024;

using Family = std::span<const Endpoint> (*)();
constexpr Family kFamilies[] = {&StatusEndpoints, &UnsealEndpoints, &RekeyEndpoints,
                                &RootGenerationEndpoints};

std::optional<Method> MethodOf(const api::HttpRequest& request) {
  if (request.method == "GET" || request.method == "HEAD") return Method::kRead;
  if (request.method == "PUT" || request.method == "POST") return Method::kWrite;
  if (request.method == "DELETE") return Method::kDelete;
  return std::nullopt;
}

struct Found {
  const Endpoint* endpoint = nullptr;
  bool path_is_known = false;  // With this method or another.
};

std::string PathOf(const api::HttpRequest& request) {
  // Nearly every other request ends here.
  if (!request.path.starts_with(kSystem)) return "";
  return api::CanonicalPath(std::string_view(request.path).substr(kRoot.size()),
                            mounts::Operation::kRead)
      .value_or("");
}

Found Find(const api::HttpRequest& request) {
  const std::string path = PathOf(request);
  const std::optional<Method> method = MethodOf(request);
  Found found;
  for (const Family family : kFamilies) {
    for (const Endpoint& endpoint : family()) {
      if (endpoint.path != path) continue;
      found.path_is_known = true;
      if (endpoint.method == method) return {&endpoint, true};
    }
  }
  return found;
}

bool AsksToSeal(const api::HttpRequest& request) {
  return MethodOf(request) == Method::kWrite && PathOf(request) == kSeal;
}

bool AsksForMetrics(const api::HttpRequest& request) {
  return MethodOf(request) == Method::kRead && PathOf(request) == kMetrics;
}

// What the process does for a token that may have it done.
bool AsksOfProcess(const api::HttpRequest& request) {
  return AsksToSeal(request) ||
         (MethodOf(request) == Method::kRead && PathOf(request) == kSnapshot);
}

// What changes something may answer with shares or a token, which are not sent in the clear where
// they were to be wrapped.
std::optional<Answer> RefuseHead(const api::HttpRequest& request, const Limits& limits) {
  if (std::optional<Answer> refusal = api::RefuseTarget(request, limits)) return refusal;
  if (std::optional<Answer> refusal = api::RefuseNamespace(request)) return refusal;
  if (MethodOf(request) == Method::kRead) return std::nullopt;
  return api::RefuseWrapping(request);
}

// What is sent with a DELETE is its body, where there is one.
std::variant<std::string, Answer> DataOf(const Endpoint& endpoint, api::HttpRequest& request) {
  const bool in_body = endpoint.method == Method::kWrite ||
                       (endpoint.method == Method::kDelete && !request.body.empty());
  return api::DataOf(request, in_body ? mounts::Operation::kUpdate : mounts::Operation::kRead);
}

std::string NamespaceOf(const api::HttpRequest& request) {
  return std::string(request.Header("X-Vault-Namespace"));
}

Answer BodyTooLarge() {
  return ErrorAnswer(413, Concat({"request body too large: here it may have ",
                                  std::to_string(kMaxBodyBytes), " bytes"}));
}

}  // namespace

ProcessApi::ProcessApi(api::Api* next, Lifecycle* lifecycle, Facts facts, Scheduler* scheduler,
                       Logger logger, const Limits& limits)
    : next_(next),
      lifecycle_(lifecycle),
      facts_(std::move(facts)),
      limits_(limits),
      logger_(logger),
      unsealer_(lifecycle, scheduler, std::move(logger),
                [this](absl::AnyInvocable<void()> work) { PostChange(std::move(work)); }),
      changes_(NewThreadPool(1)),
      snapshots_(NewThreadPool(1)),
      metrics_(NewThreadPool(1)) {}

ProcessApi::~ProcessApi() {
  Stop();
}

void ProcessApi::Stop() {
  stopping_ = true;
  changing_.Wait();
  unsealer_.Stop();
}

void ProcessApi::UnsealByItself() {
  PostChange([this] { unsealer_.Try(); });
}

void ProcessApi::Handle(api::HttpRequest request, api::Respond respond) {
  if (request.open_metrics && AsksForMetrics(request)) {
    if (std::optional<builtin::Answer> refusal = RefuseHead(request, limits_)) {
      return respond(api::Render(*std::move(refusal), NamespaceOf(request)));
    }
    return AnswerMetrics(request, std::move(respond));
  }
  const Found found = Find(request);
  if (!found.path_is_known) {
    if (!AsksOfProcess(request)) return next_->Handle(std::move(request), std::move(respond));
    // Sealed already: there is no token to ask for, and nothing to do.
    if (AsksToSeal(request) && lifecycle_->status().seal.sealed()) {
      return respond(api::Render(builtin::NoContent()));
    }
    return next_->Handle(std::move(request),
                         [this, respond = std::move(respond)](api::Outcome outcome) mutable {
                           if (std::holds_alternative<api::SealServer>(outcome))
                             return Seal(std::move(respond));
                           if (std::holds_alternative<api::SaveSnapshot>(outcome)) {
                             return SaveSnapshot(std::move(respond));
                           }
                           respond(std::move(outcome));
                         });
  }
  if (std::optional<builtin::Answer> refusal = RefuseHead(request, limits_)) {
    return respond(api::Render(*std::move(refusal), NamespaceOf(request)));
  }
  if (found.endpoint == nullptr) {
    return respond(api::Render(EmptyErrorAnswer(405), NamespaceOf(request)));
  }
  Answer(*found.endpoint, std::move(request), std::move(respond));
}

void ProcessApi::Answer(const Endpoint& endpoint, api::HttpRequest request, api::Respond respond) {
  std::string space = NamespaceOf(request);
  if (request.body.size() > kMaxBodyBytes) return respond(api::Render(BodyTooLarge(), space));
  const std::string from = request.remote_address;
  std::variant<std::string, builtin::Answer> data = DataOf(endpoint, request);
  if (auto* refusal = std::get_if<builtin::Answer>(&data)) {
    return respond(api::Render(std::move(*refusal), space));
  }
  absl::StatusOr<builtin::Fields> fields =
      builtin::Fields::Read(endpoint.fields, std::get<std::string>(data));
  if (!fields.ok()) {
    return respond(api::Render(ErrorAnswer(400, ToStd(fields.status().message())), space));
  }
  absl::AnyInvocable<builtin::Answer()> answer = [this, &endpoint, from,
                                                  fields = *std::move(fields)] {
    return endpoint.answer({.facts = facts_,
                            .lifecycle = *lifecycle_,
                            .unsealer = unsealer_,
                            .logger = logger_,
                            .remote_address = from},
                           fields);
  };
  if (!endpoint.waits) return respond(api::Render(answer(), space));
  // Shared: when the executor refuses the work, it is answered here.
  auto shared_respond = std::make_shared<api::Respond>(std::move(respond));
  const bool posted = changes_->Post(
      [this, &endpoint, from, shared_respond, space, answer = std::move(answer)]() mutable {
        builtin::Answer given = Change(answer);
        NoteChange(endpoint, from, given.status);
        (*shared_respond)(api::Render(std::move(given), space));
      });
  if (!posted) (*shared_respond)(api::Render(builtin::TooBusy(), space));
}

void ProcessApi::NoteChange(const Endpoint& endpoint, const std::string& from, int status) {
  if (endpoint.method == Method::kRead) return;
  const std::optional<std::uint64_t> left_out = change_lines_.Take();
  if (!left_out) return;
  logger_.Info("answered a request that changes the seal",
               {{"path", std::string(endpoint.path)},
                {"method", endpoint.method == Method::kDelete ? "DELETE" : "PUT"},
                {"remote_address", from},
                {"status", std::to_string(status)},
                {"suppressed", std::to_string(*left_out)}});
}

// However much waits: requests that need no token cannot keep an allowed seal from its turn.
void ProcessApi::Seal(api::Respond respond) {
  changes_->PostAlways([this, respond = std::move(respond)]() mutable {
    absl::AnyInvocable<builtin::Answer()> seal = [this] {
      lifecycle_->Seal();
      return builtin::NoContent();
    };
    respond(api::Render(Change(seal)));
  });
}

// Taken where it is read: in memory it is a copy of all.
void ProcessApi::SaveSnapshot(api::Respond respond) {
  snapshots_->PostAlways([this, respond = std::move(respond)]() mutable {
    if (const auto sent = sent_snapshot_.lock(); sent != nullptr && !sent->GiveWay()) {
      return respond(api::Render(
          builtin::BusyAnswer("another snapshot is being saved; try again when it has ended")));
    }
    auto stream = std::make_shared<SnapshotStream>(
        storage::WithoutOrderedKeys(facts_.stored->TakeSnapshot()),
        storage::SnapshotInfo{.taken = facts_.clock->Now(), .version = facts_.version},
        facts_.clock, snapshots_.get(), logger_);
    sent_snapshot_ = stream;
    api::HttpResponse answer = api::TextResponse(200, "application/octet-stream", "");
    answer.stream = std::move(stream);
    respond(std::move(answer));
  });
}

void ProcessApi::AnswerMetrics(const api::HttpRequest& request, api::Respond respond) {
  const std::string* const format = request.Query("format");
  metrics_->PostAlways([this, format = format == nullptr ? "" : *format,
                        space = NamespaceOf(request), respond = std::move(respond)]() mutable {
    respond(api::Render(builtin::MetricsAnswer(*facts_.metrics, format), space));
  });
}

void ProcessApi::PostChange(absl::AnyInvocable<void()> change) {
  changes_->PostAlways([this, change = std::move(change)]() mutable {
    absl::AnyInvocable<builtin::Answer()> answer = [&change] {
      change();
      return builtin::NoContent();
    };
    Change(answer);
  });
}

builtin::Answer ProcessApi::Change(absl::AnyInvocable<builtin::Answer()>& answer) {
  changing_.Add();
  builtin::Answer given = stopping_ ? ErrorAnswer(503, "the server is stopping") : answer();
  changing_.Done();
  return given;
}

std::optional<api::HttpResponse> ProcessApi::RefuseEarly(const api::HttpRequest& head,
                                                         std::uint64_t body_bytes) const {
  if (!Find(head).path_is_known) return next_->RefuseEarly(head, body_bytes);
  if (std::optional<builtin::Answer> refusal = RefuseHead(head, limits_)) {
    return api::Render(*std::move(refusal), NamespaceOf(head));
  }
  if (body_bytes <= kMaxBodyBytes) return std::nullopt;
  return api::Render(BodyTooLarge(), NamespaceOf(head));
}

}  // namespace belfry::process
