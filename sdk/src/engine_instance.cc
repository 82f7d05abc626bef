#include "sdk/src/engine_instance.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/strings/str_join.h"
#include "base/paths.h"
#include "base/text.h"
#include "re2/re2.h"
#include "sdk/src/failure.h"
#include "sdk/src/guard.h"
#include "sdk/src/help.h"
#include "sdk/src/leasing.h"
#include "sdk/src/openapi.h"
#include "sdk/src/path_pattern.h"
#include "sdk/src/periodic_hooks.h"
#include "sdk/src/request_impl.h"
#include "sdk/src/route.h"
#include "sdk/src/route_checks.h"

namespace belfry::internal {
namespace {

std::optional<Operation> ParseOperation(std::string_view name) {
  if (name == "create") return Operation::kCreate;
  if (name == "read") return Operation::kRead;
  if (name == "update") return Operation::kUpdate;
  if (name == "patch") return Operation::kPatch;
  if (name == "delete") return Operation::kDelete;
  if (name == "list") return Operation::kList;
  return std::nullopt;
}

OutgoingReply Fail(OutgoingError error) {
  return {.response = std::nullopt, .error = std::move(error)};
}

OutgoingReply Fail(const absl::Status& status) {
  return Fail(ToError(status));
}

OutgoingReply UnsupportedOperation() {
  return Fail(absl::UnimplementedError(kUnsupportedOperationText));
}

class DroppingLog final : public Log {
  void DoWrite(LogLevel, std::string_view, LogFields) const override {}
};

// Hosts that do not clean what they decode ("%2F%2F") may send such a path; it would be stored and
// told of under another name than the one they authorised.
absl::Status CheckPath(std::string_view path) {
  if (IsCleanPath(path)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      "relative paths not supported: a path has no empty segment and no segment \".\" or \"..\"");
}

// What `define` describes, and the engine that then answers.
class EngineImpl final : public Engine, public EngineInstance {
 public:
  explicit EngineImpl(MountContext context) : context_(std::move(context)) {}

  // Handlers go before what they may refer to.
  ~EngineImpl() override {
    routes_.clear();
    unparsed_.clear();
    leasing_ = nullptr;
    periodic_ = nullptr;
    before_each_ = nullptr;
    background_.clear();
    initialize_ = nullptr;
    cleanup_ = nullptr;
    invalidate_ = nullptr;
  }

  // InvalidArgument with a sentence for each mistake.
  absl::Status EndDescription() {
    for (const auto& route : routes_) AddMistakes(route->EndDescription());
    AddMistakes(leasing_->EndDescription());
    AddMistakes(MistakesAmong(routes_));
    AddMistakes(MistakesOf(special_paths_, routes_));
    if (mistakes_.empty()) return absl::OkStatus();
    return absl::InvalidArgumentError(absl::StrJoin(mistakes_, "; "));
  }

  // Engine
  Engine& Describe(std::string_view help) override {
    if (!description_.empty()) mistakes_.emplace_back("Describe is called twice");
    description_ = help;
    return *this;
  }
  Engine& OnInitialize(Hook hook) override {
    return Set(initialize_, std::move(hook), "OnInitialize");
  }
  Engine& InBackground(Hook hook) override {
    return Set(background_.emplace_back(), std::move(hook), "InBackground");
  }
  Engine& BeforeEach(RequestHook hook) override {
    return Set(before_each_, std::move(hook), "BeforeEach");
  }
  Engine& OnCleanup(Hook hook) override { return Set(cleanup_, std::move(hook), "OnCleanup"); }
  Engine& OnInvalidate(KeyHook hook) override {
    return Set(invalidate_, std::move(hook), "OnInvalidate");
  }
  Engine& Every(absl::Duration period, Hook hook) override {
    if (period <= absl::ZeroDuration() || period == absl::InfiniteDuration()) {
      mistakes_.push_back(
          Concat({"Every is called with the period ", ToStd(absl::FormatDuration(period)),
                  "; it must be more than zero, and finite"}));
    }
    if (!hook) mistakes_.emplace_back("Every is called with null");
    periodic_->Add(period, std::move(hook));
    return *this;
  }
  SecretKind& Secret(std::string_view name) override { return leasing_->Add(name); }
  Engine& OnRenewLogin(GrantRenewHandler handler) override {
    leasing_->RenewLoginsWith(std::move(handler));
    return *this;
  }
  Engine& Mark(SpecialPath kind, std::vector<std::string> paths) override {
    return Extend(special_paths_.others[kind], std::move(paths));
  }
  Engine& SealWrapped(std::vector<std::string> prefixes) override {
    return Extend(special_paths_.seal_wrap, std::move(prefixes));
  }
  Engine& Unauthenticated(std::vector<std::string> paths) override {
    return Extend(special_paths_.unauthenticated, std::move(paths));
  }
  Engine& RootOnly(std::vector<std::string> paths) override {
    return Extend(special_paths_.root, std::move(paths));
  }
  std::string_view MountOption(std::string_view name) const override {
    const auto it = context_.options.find(std::string(name));
    return it == context_.options.end() ? std::string_view() : std::string_view(it->second);
  }
  std::string_view backend_uuid() const override { return context_.backend_uuid; }
  EventSender& events() override { return *context_.events; }
  const Log& log() const override { return *context_.log; }
  absl::StatusOr<LeaseTtls> Ttls() const override { return TtlsOf(context_); }

  // EngineInstance
  OutgoingReply Handle(IncomingRequest request) override {
    if (request.operation == "help") return Help(request);
    if (request.operation == "rollback") return Rollback(request);
    if (Leasing::Concerns(request.operation)) return leasing_->Handle(request, context_);
    if (absl::Status bad = CheckPath(request.path); !bad.ok()) return Fail(bad);
    const auto [route, captures] = FindRoute(request);
    if (route == nullptr) return UnsupportedPath(request);
    return HandleOn(*route, captures, request);
  }

  absl::StatusOr<OutgoingReply> Write(IncomingRequest request) override {
    if (absl::Status bad = CheckPath(request.path); !bad.ok()) return bad;
    const auto [route, captures] = FindRoute(request);
    if (route == nullptr) return UnsupportedPath(request);
    if (route->TellsCreates()) {
      const absl::StatusOr<bool> exists = Exists(*route, captures, request);
      // "Not found" tells nothing, as hosts read it: then it is an update.
      const bool unknown = !exists.ok() && ToError(exists.status()).http_status == 404;
      if (!exists.ok() && !unknown) return Reported(exists.status(), request, *context_.log);
      if (exists.ok() && !*exists) request.operation = "create";
    }
    return HandleOn(*route, captures, request);
  }

  absl::StatusOr<std::optional<bool>> CheckExistence(const IncomingRequest& request) override {
    if (absl::Status bad = CheckPath(request.path); !bad.ok()) return bad;
    const auto [route, captures] = FindRoute(request);
    if (route == nullptr || !route->Creates()) return std::nullopt;
    const absl::StatusOr<bool> exists = Exists(*route, captures, request);
    if (!exists.ok()) return Reported(exists.status(), request, *context_.log);
    return std::optional<bool>(*exists);
  }

  absl::Status Initialize() override { return RunHook("OnInitialize", initialize_); }
  absl::Status RunBackground(std::stop_token stop) override {
    HookContext context = NewHookContext();
    context.stop = std::move(stop);
    for (; background_done_ < background_.size(); ++background_done_) {
      absl::Status status =
          Guarded("a hook of InBackground", [&] { return background_[background_done_](context); });
      if (!status.ok()) return status;
    }
    return absl::OkStatus();
  }
  bool has_background() const override { return !background_.empty(); }
  void Invalidate(std::string_view key) override {
    if (!invalidate_) return;
    HookContext context = NewHookContext();
    const absl::Status status = Guarded("OnInvalidate", [&] {
      invalidate_(context, key);
      return absl::OkStatus();
    });
    if (!status.ok()) LogHook("an invalidation failed", status);
  }
  void Cleanup() override {
    const absl::Status status = RunHook("OnCleanup", cleanup_);
    if (!status.ok()) LogHook("the clean-up failed", status);
  }
  SpecialPaths special_paths() const override { return special_paths_; }

 private:
  using Captures = std::map<std::string, std::string>;

  Route& AddPath(std::string_view pattern, std::string_view help,
                 std::source_location where) override {
    absl::StatusOr<PathPattern> parsed = ParsePathPattern(pattern);
    if (parsed.ok()) return Add(pattern, help, *std::move(parsed), where);
    mistakes_.emplace_back(ToStd(parsed.status().message()));
    // Kept for the calls that follow, and seen by nobody.
    unparsed_.push_back(std::make_unique<RouteImpl>("", help, PathPattern(), where));
    return *unparsed_.back();
  }
  Route& AddPathRegex(std::string_view re2, std::string_view help,
                      std::source_location where) override {
    return Add(re2, help, ParsePathRegex(re2), where);
  }
  Route& Add(std::string_view pattern, std::string_view help, PathPattern parsed,
             std::source_location where) {
    routes_.push_back(std::make_unique<RouteImpl>(pattern, help, std::move(parsed), where));
    return *routes_.back();
  }
  template <typename Function>
  Engine& Set(Function& place, Function given, std::string_view call) {
    if (!given) mistakes_.push_back(Concat({call, " is called with null"}));
    if (place) mistakes_.push_back(Concat({call, " is called twice"}));
    place = std::move(given);
    return *this;
  }
  void AddMistakes(std::vector<std::string> mistakes) {
    std::move(mistakes.begin(), mistakes.end(), std::back_inserter(mistakes_));
  }
  // Why nothing here has this path is for the plugin's log; clients get no more than that.
  OutgoingReply UnsupportedPath(const IncomingRequest& request) const {
    if (const std::string nearest = NearestRoute(routes_, request.path); !nearest.empty())
      context_.log->Debug("no path matches", {{"path", request.path}, {"nearest", nearest}});
    return Fail(OutgoingError{ErrorType::kUnsupportedPath, kUnsupportedPathText});
  }
  Engine& Extend(std::vector<std::string>& list, std::vector<std::string> more) {
    list.insert(list.end(), more.begin(), more.end());
    return *this;
  }
  void KeepAlive(std::shared_ptr<void> object) override { kept_.push_back(std::move(object)); }

  // The first route that matches. A list or a question may come with a trailing slash that its
  // pattern lacks.
  std::pair<const RouteImpl*, Captures> FindRoute(const IncomingRequest& request) const {
    std::string_view path = request.path;
    for (int attempt = 0; attempt < 2; ++attempt) {
      for (const auto& route : routes_) {
        if (std::optional<Captures> captures = route->Match(path))
          return {route.get(), *std::move(captures)};
      }
      const bool tolerant = request.operation == "list" || request.operation == "help";
      if (!tolerant || !path.ends_with('/')) break;
      path.remove_suffix(1);
    }
    return {nullptr, {}};
  }

  absl::StatusOr<bool> Exists(const RouteImpl& route, const Captures& captures,
                              const IncomingRequest& request) const {
    const ExistenceCheck* check = route.existence_check();
    if (check == nullptr) {
      const absl::StatusOr<std::optional<std::string>> stored = request.storage->Get(request.path);
      if (!stored.ok()) return stored.status();
      return stored->has_value();
    }
    absl::StatusOr<FieldValues> fields = route.Collect(captures, request.data, Operation::kUpdate);
    if (!fields.ok()) return fields.status();
    RequestImpl typed(request, Operation::kUpdate, context_, route, *std::move(fields));
    return Guarded("the existence check", [&] { return (*check)(typed); });
  }

  OutgoingReply HandleOn(const RouteImpl& route, const Captures& captures,
                         const IncomingRequest& request) const {
    const std::optional<Operation> operation = ParseOperation(request.operation);
    const Handler* handler = operation ? route.HandlerFor(*operation) : nullptr;
    if (handler == nullptr) return UnsupportedOperation();
    return Run(*handler, *operation, route, captures, request);
  }

  OutgoingReply Run(const Handler& handler, Operation operation, const RouteImpl& route,
                    const Captures& captures, const IncomingRequest& request) const {
    if (absl::Status missing = route.CheckRequired(request.data, operation); !missing.ok())
      return Fail(missing);
    absl::StatusOr<FieldValues> fields = route.Collect(captures, request.data, operation);
    if (!fields.ok()) {
      return Fail(absl::InvalidArgumentError(
          Concat({"Field validation failed: ", ToStd(fields.status().message())})));
    }
    std::vector<std::string> warnings = std::move(fields->warnings);
    RequestImpl typed(request, operation, context_, route, *std::move(fields));
    if (before_each_) {
      const absl::Status refused = Guarded("BeforeEach", [&] { return before_each_(typed); });
      if (!refused.ok()) return Fail(Reported(refused, request, *context_.log));
    }
    Result result = Guarded("the handler", [&] { return handler(typed); });
    if (result.ok()) {
      absl::Status refused = CheckAnswer(*result, context_.kind);
      if (!refused.ok()) result = std::move(refused);
    }
    if (!result.ok()) return Fail(Reported(result.status(), request, *context_.log));
    leasing_->Correct(*result);
    // An answer with a status of its own is final, and where there is none nothing is added.
    const bool answers = result->kind() == Response::Kind::kData ||
                         result->kind() == Response::Kind::kList || !result->warnings().empty();
    if (answers && !result->http_status()) {
      for (std::string& warning : warnings) result->AddWarning(std::move(warning));
    }
    return {.response = *std::move(result), .error = std::nullopt};
  }

  // Hosts ask for this about once a minute, for what was begun and not finished and whatever else
  // is due. (plugin-protocol 6.4)
  OutgoingReply Rollback(const IncomingRequest& request) const {
    if (periodic_->empty()) return UnsupportedOperation();
    HookContext context{*request.storage, *request.events, *context_.log, context_.now};
    const absl::Status status = periodic_->RunDue(context_.now(), context);
    if (!status.ok()) return Fail(status);
    return {.response = Response::NoContent(), .error = std::nullopt};
  }

  OutgoingReply Help(const IncomingRequest& request) const {
    std::vector<const RouteImpl*> routes;
    std::string text;
    if (request.path.empty()) {
      for (const auto& route : routes_) routes.push_back(route.get());
      text = HelpOfEngine(routes, description_);
    } else if (const RouteImpl* route = FindRoute(request).first) {
      routes.push_back(route);
      text = HelpOfPath(*route, request.path);
    } else {
      return UnsupportedPath(request);
    }
    return {.response = Response::Data(
                {{"help", std::move(text)},
                 {"see_also", Json()},
                 {"openapi", OpenApiDocument(routes, description_, special_paths_)}}),
            .error = std::nullopt};
  }

  HookContext NewHookContext() const {
    return {*context_.storage, *context_.events, *context_.log, context_.now};
  }
  absl::Status RunHook(std::string_view name, const Hook& hook) const {
    if (!hook) return absl::OkStatus();
    HookContext context = NewHookContext();
    return Guarded(name, [&] { return hook(context); });
  }
  void LogHook(std::string_view what, const absl::Status& status) const {
    context_.log->Error(what,
                        {{"error", status.ToString(absl::StatusToStringMode::kWithNoExtraData)}});
  }

  const MountContext context_;
  std::string description_;
  SpecialPaths special_paths_;
  std::vector<std::string> mistakes_;
  std::vector<std::shared_ptr<void>> kept_;  // Shared: as KeepAlive says.
  Routes routes_, unparsed_;
  std::unique_ptr<Leasing> leasing_ = std::make_unique<Leasing>();
  std::unique_ptr<PeriodicHooks> periodic_ = std::make_unique<PeriodicHooks>();
  RequestHook before_each_;
  std::vector<Hook> background_;
  std::size_t background_done_ = 0;
  Hook initialize_;
  Hook cleanup_;
  KeyHook invalidate_;
};

// For engines that are only described.
class NoEvents final : public EventSender {
  std::vector<absl::Status> DoSend(absl::Span<const Event> events) override {
    return std::vector<absl::Status>(events.size(), absl::FailedPreconditionError("no host"));
  }
  void LogFailure(std::string_view, const absl::Status&) override {}
};

// What a Plugin lacks or has wrong before `define` is looked at. (semver.org 2.0.0)
absl::Status CheckFields(const Plugin& plugin) {
  if (plugin.name.empty()) return absl::InvalidArgumentError("it has no .name");
  if (plugin.define == nullptr) return absl::InvalidArgumentError("it has no .define");
  static const RE2 kVersion(
      R"(v(0|[1-9]\d*)(\.(0|[1-9]\d*)){2}(-[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?(\+[0-9A-Za-z.-]+)?)");
  const re2::StringPiece version(plugin.version.data(), plugin.version.size());
  if (!version.empty() && !RE2::FullMatch(version, kVersion)) {
    return absl::InvalidArgumentError(
        Concat({"its .version \"", plugin.version, "\" is not like \"v1.2.3\""}));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckDefinition(const Plugin& plugin) {
  if (absl::Status status = CheckFields(plugin); !status.ok()) return status;
  NoEvents events;
  return EngineInstance::Create(
             plugin.define,
             {.options = {}, .backend_uuid = "", .events = &events, .kind = plugin.kind})
      .status();
}

const Log* NoLog() {
  static const DroppingLog log;
  return &log;
}

absl::StatusOr<LeaseTtls> TtlsOf(const MountContext& mount) {
  if (!mount.ttls) return absl::FailedPreconditionError("the host cannot be asked for its TTLs");
  return mount.ttls();
}

absl::StatusOr<std::unique_ptr<EngineInstance>> EngineInstance::Create(void (*define)(Engine&),
                                                                       MountContext context) {
  auto engine = std::make_unique<EngineImpl>(std::move(context));
  const absl::Status thrown = Guarded("the plugin's `define`", [&] {
    define(*engine);
    return absl::OkStatus();
  });
  if (!thrown.ok()) return thrown;
  if (absl::Status status = engine->EndDescription(); !status.ok()) return status;
  return engine;
}

}  // namespace belfry::internal
