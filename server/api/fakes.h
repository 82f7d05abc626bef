#pragma once

#include <algorithm>
#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/executor.h"
#include "base/metrics.h"
#include "server/access/acl.h"
#include "server/access/authorizer.h"
#include "server/access/policy.h"
#include "server/access/testing.h"
#include "server/api/api.h"
#include "server/mounts/engine.h"
#include "server/mounts/lease_manager.h"
#include "server/mounts/mount_manager.h"
#include "server/mounts/plugin_catalog.h"
#include "server/mounts/router.h"
#include "server/seal/barrier.h"
#include "server/seal/testing.h"
#include "server/subscriptions/testing.h"

namespace belfry::api {

// Fakes of what the API asks, for its tests. None is thread-safe.

// Knows "root", and "reader", who may only do what `allowed` says.
class FakeAuthorizer final : public access::Authorizer {
 public:
  std::function<bool(access::Capability, std::string_view)> allowed =
      [](access::Capability, std::string_view) { return false; };
  // The policy of "reader", for what is asked of the rules as a whole.
  std::string rules;
  // How often rules were taken as a whole: where they are not kept, each time costs as they are
  // many.
  mutable std::atomic<int> rules_taken = 0;
  // A request that has it is refused.
  std::string denied_parameter;
  std::function<bool(std::string_view, std::string_view)> allowed_event =
      [](std::string_view, std::string_view) { return false; };

  absl::StatusOr<access::Identity> Authenticate(std::string_view token) const override {
    if (token.empty()) return absl::PermissionDeniedError("permission denied");
    if (token == "root") {
      return Holder({.accessor = "rootaccessor", .policies = {"root"}, .display_name = "token"});
    }
    if (token == "reader") {
      return Holder({.accessor = "readeraccessor", .display_name = "token-reader"});
    }
    return absl::UnauthenticatedError("invalid token");
  }
  bool Allows(const access::Identity& identity, const access::Question& question) const override {
    const bool denied =
        question.parameters != nullptr && question.parameters->contains(denied_parameter);
    return identity.root || (!denied && allowed(question.capability, question.path));
  }
  bool BoundsParameters(const access::Identity&, access::Capability,
                        std::string_view) const override {
    return !denied_parameter.empty();
  }
  bool AllowsEvent(const access::Identity& identity, std::string_view path,
                   std::string_view type) const override {
    return identity.root || allowed_event(path, type);
  }
  std::shared_ptr<const access::Acl> RulesOf(const access::Identity& identity) const override {
    ++rules_taken;
    const auto policy = std::make_shared<const access::Policy>(
        identity.root ? access::Policy{.name = "root"} : *access::ParsePolicy("reader", rules));
    return std::make_shared<const access::Acl>(std::vector{policy});
  }

 private:
  static access::Identity Holder(access::TokenEntry entry) {
    entry.id = entry.accessor;
    entry.path = "auth/token/create";
    entry.created = absl::FromUnixSeconds(1795413511);
    auto life = std::make_shared<const access::TokenValidity>(entry.expires);
    return access::IdentityOf(std::make_shared<const access::LiveToken>(
        access::LiveToken{std::move(entry), std::move(life)}));
  }
};

// Answers what it was told to, and remembers what it was asked.
class FakeEngine final : public mounts::Engine {
 public:
  absl::StatusOr<mounts::Reply> reply = mounts::Reply{};
  absl::StatusOr<mounts::Existence> existence = mounts::Existence::kUnknown;
  std::shared_ptr<const mounts::SpecialPaths> special = std::make_shared<mounts::SpecialPaths>();
  std::string running_sha256 = "5ha";
  std::vector<mounts::Request> written;  // What it was to find out about itself; handled, too.
  std::vector<mounts::Request> handled;
  std::vector<mounts::Request> checked;
  std::function<void(const mounts::Request&)> on_handle = [](const mounts::Request&) {};

  void Handle(mounts::Request request,
              absl::AnyInvocable<void(absl::StatusOr<mounts::Reply>)> done) override {
    on_handle(request);
    handled.push_back(std::move(request));
    done(reply);
  }
  void Write(mounts::Request request,
             absl::AnyInvocable<void(absl::StatusOr<mounts::Reply>)> done) override {
    written.push_back(request);
    Engine::Write(std::move(request), std::move(done));
  }
  void CheckExistence(mounts::Request request,
                      absl::AnyInvocable<void(absl::StatusOr<mounts::Existence>)> done) override {
    checked.push_back(std::move(request));
    done(existence);
  }
  std::string RunningVersion() const override { return "v0.1.0"; }
  std::string RunningSha256() const override { return running_sha256; }
  std::shared_ptr<const mounts::SpecialPaths> Special() const override { return special; }
  absl::Status Restart(const mounts::MountEntry&) override { return absl::OkStatus(); }
};

// Changes nothing, and remembers what it was asked; a test puts the mounts into the router itself.
class FakeMountManager final : public mounts::MountManager {
 public:
  mounts::MountRouter router;
  absl::Status enable_result;
  std::vector<mounts::MountEntry> enabled;
  std::vector<std::string> disabled;
  absl::StatusOr<std::vector<std::string>> tune_result = std::vector<std::string>();
  std::vector<std::pair<std::string, mounts::MountTuning>> tuned;
  absl::Status reload_result;
  std::map<std::string, absl::Status, std::less<>> failing_reloads;  // By path.
  std::vector<std::string> reloaded;

  // The engine is the fake's.
  FakeEngine* Add(mounts::MountEntry entry) {
    FakeEngine* const engine = engines_.emplace_back(std::make_unique<FakeEngine>()).get();
    router.Add(std::move(entry), engine);
    return engine;
  }
  void AddOwn(std::string path, std::string type) {
    mounts::MountEntry entry;
    entry.path = std::move(path);
    entry.type = std::move(type);
    router.Add(std::move(entry), nullptr);
  }

  absl::Status Start() override { return absl::OkStatus(); }
  absl::Status Enable(mounts::MountEntry entry) override {
    enabled.push_back(std::move(entry));
    return enable_result;
  }
  absl::Status Disable(mounts::MountClass, std::string_view path) override {
    disabled.emplace_back(path);
    if (router.Remove(disabled.back())) router.Release(disabled.back());
    return absl::OkStatus();
  }
  absl::StatusOr<std::vector<std::string>> Tune(std::string_view path,
                                                const mounts::MountTuning& tuning) override {
    tuned.emplace_back(path, tuning);
    return tune_result;
  }
  absl::StatusOr<std::string> Move(std::string_view, std::string_view) override {
    return absl::UnimplementedError("fake");
  }
  std::optional<mounts::MountMove> FindMove(std::string_view) const override {
    return std::nullopt;
  }
  void Stop() override {}
  absl::Status Reload(std::string_view path) override {
    reloaded.emplace_back(path);
    const auto failing = failing_reloads.find(path);
    return failing == failing_reloads.end() ? reload_result : failing->second;
  }
  absl::StatusOr<int> ReloadPlugin(std::string_view type) override {
    reloaded.emplace_back(type);
    if (!reload_result.ok()) return reload_result;
    const std::vector<std::shared_ptr<const mounts::Mount>> mounts = router.List();
    return static_cast<int>(std::count_if(mounts.begin(), mounts.end(), [type](const auto& mount) {
      return mount->entry.type == type;
    }));
  }

 private:
  std::vector<std::unique_ptr<FakeEngine>> engines_;
};

// Registers whatever it is given, unless told otherwise.
class FakeCatalog final : public mounts::PluginCatalog {
 public:
  absl::Status register_result;
  std::vector<mounts::PluginProcesses> processes;

  absl::Status Register(mounts::PluginEntry entry) override {
    if (register_result.ok()) entries_.push_back(std::move(entry));
    return register_result;
  }
  std::optional<mounts::PluginEntry> Get(mounts::PluginType type, std::string_view name,
                                         std::string_view version) const override {
    for (const mounts::PluginEntry& entry : entries_) {
      if (entry.type == type && entry.name == name && entry.version == version) return entry;
    }
    return std::nullopt;
  }
  // Without a version, the last that was registered.
  absl::StatusOr<mounts::PluginEntry> Resolve(std::string_view name,
                                              std::string_view version) const override {
    const auto fits = [=](const mounts::PluginEntry& entry) {
      return entry.name == name && (version.empty() || entry.version == version);
    };
    const auto found = std::find_if(entries_.rbegin(), entries_.rend(), fits);
    if (found == entries_.rend()) return absl::NotFoundError("plugin not found in the catalog");
    return *found;
  }
  absl::Status Remove(mounts::PluginType type, std::string_view name,
                      std::string_view version) override {
    std::erase_if(entries_, [=](const mounts::PluginEntry& entry) {
      return entry.type == type && entry.name == name && entry.version == version;
    });
    return absl::OkStatus();
  }
  std::vector<mounts::PluginEntry> List() const override { return entries_; }
  std::vector<mounts::PluginProcesses> Processes() const override { return processes; }

 private:
  std::vector<mounts::PluginEntry> entries_;
};

// Gives every secret the same lease, and remembers what it was asked.
class FakeLeases final : public mounts::LeaseManager {
 public:
  std::map<std::string, mounts::LeaseInfo> known;
  absl::Status result;
  std::vector<std::string> asked;  // "renew id 5s", "revoke id", "wait prefix" …

  absl::Status Start() override { return absl::OkStatus(); }
  void Stop() override {}
  void Register(std::shared_ptr<const mounts::Mount> mount, const mounts::Request& request,
                const mounts::Response& response, Granted granted) override {
    if (!result.ok()) return granted(result);
    mounts::Lease lease = *response.lease;
    lease.id = mount->entry.path + request.path + "/1";
    granted(std::move(lease));
  }
  std::optional<mounts::LeaseInfo> LookUp(std::string_view id) const override {
    const auto found = known.find(std::string(id));
    return found == known.end() ? std::nullopt : std::optional(found->second);
  }
  std::vector<std::string> List(std::string_view prefix) const override {
    std::vector<std::string> names;
    for (const auto& [id, lease] : known) {
      if (id.starts_with(prefix)) names.push_back(id.substr(prefix.size()));
    }
    return names;
  }
  void Renew(std::string_view id, absl::Duration increment, Renewed renewed) override {
    asked.push_back("renew " + std::string(id) + " " + absl::FormatDuration(increment));
    if (!result.ok()) return renewed(result);
    mounts::Response response;
    response.lease = mounts::Lease{.ttl = increment, .renewable = true, .id = std::string(id)};
    renewed(std::move(response));
  }
  void Revoke(mounts::LeaseScope scope, mounts::RevokeMode mode, Done done) override {
    const char* how = mode == mounts::RevokeMode::kWait    ? "wait"
                      : mode == mounts::RevokeMode::kQueue ? "queue"
                                                           : "force";
    asked.push_back(std::string(how) + (scope.prefix ? " prefix " : " ") + scope.id_or_prefix);
    done(result);
  }
  void RevokeStrays(absl::FunctionRef<bool(std::string_view)>) override {}
  absl::Status RevokeAllOf(const mounts::Mount&) override { return absl::OkStatus(); }
};

// Runs work at once, or refuses it.
class InlineExecutor final : public Executor {
 public:
  bool full = false;
  std::function<void()> meanwhile;  // What happens, once, while the next work waits.
  std::vector<std::string> owners;  // Of what was posted for one.
  bool Post(absl::AnyInvocable<void()>&& work) override {
    if (full) return false;
    if (const auto happens = std::exchange(meanwhile, nullptr)) happens();
    work();
    return true;
  }
  bool PostFor(std::string_view owner, absl::AnyInvocable<void()>&& work) override {
    owners.emplace_back(owner);
    return Post(std::move(work));
  }
  void PostAlways(absl::AnyInvocable<void()> work) override { work(); }
};

// Who decides about access: a fake that knows two tokens, or the real policies and tokens.
enum class Access { kFake, kReal };

// An Api on fakes, with secret/ and sys/ mounted.
struct ApiFixture {
  FakeAuthorizer authorizer;
  access::MemoryPolicies policies;
  FakeMountManager mounts;
  FakeCatalog catalog;
  FakeLeases leases;
  subscriptions::FakeBus bus;
  subscriptions::Subscribers subscribers;
  FakeClock clock{absl::FromUnixSeconds(1795413511)};
  seal::OpenStorage below;
  seal::Barrier barrier{&below, &clock};
  access::MemoryTokens tokens{&clock};
  access::MemoryRoles roles;
  access::MemoryCubbyholes cubbyholes{&clock};
  InlineExecutor executor;
  InlineExecutor plugin_executor;
  InlineExecutor explain_executor;
  std::unique_ptr<Metrics> metrics = NewMetrics();
  FakeEngine* engine = nullptr;
  const std::unique_ptr<access::Authorizer> real_authorizer =
      access::NewAuthorizer(policies.store.get(), tokens.store.get(), &clock);
  std::unique_ptr<Api> api;

  explicit ApiFixture(Access access = Access::kFake) {
    mounts::MountEntry secret;
    secret.path = "secret/";
    secret.type = "kv";
    secret.description = "key/value secret storage";
    secret.uuid = "5b725ae9-1322-42b5-f1ab-c42cdec65ac1";
    secret.accessor = "kv_32d62293";
    secret.options = {{"version", "2"}};
    engine = mounts.Add(std::move(secret));
    mounts.AddOwn("sys/", "system");
    Dependencies all;
    builtin::Dependencies& dependencies = all.host;
    dependencies.authorizer = access == Access::kFake ? &authorizer : real_authorizer.get();
    dependencies.policies = policies.store.get();
    dependencies.tokens = tokens.store.get();
    dependencies.roles = &roles.store;
    dependencies.cubbyholes = &cubbyholes.store;
    dependencies.router = &mounts.router;
    dependencies.mounts = &mounts;
    dependencies.catalog = &catalog;
    dependencies.leases = &leases;
    dependencies.subscriptions = {
        .authorizer = dependencies.authorizer, .bus = &bus, .subscribers = &subscribers};
    barrier.Unseal(seal::Keyring(clock.Now()), seal::SecretBytes::Random(32));
    dependencies.barrier = &barrier;
    dependencies.clock = &clock;
    dependencies.executor = &executor;
    dependencies.plugin_executor = &plugin_executor;
    dependencies.explain_executor = &explain_executor;
    dependencies.metrics = metrics.get();
    dependencies.version = "1.21.0";
    api = Api::Create(std::move(all));
  }

  // What came of a request; the fakes answer before Handle returns.
  Outcome OutcomeOf(HttpRequest request) {
    Outcome outcome = HttpResponse{.status = 0};
    api->Handle(std::move(request), [&outcome](Outcome given) { outcome = std::move(given); });
    return outcome;
  }

  // The answer.
  HttpResponse Send(HttpRequest request) {
    Outcome outcome = OutcomeOf(std::move(request));
    auto* const answer = std::get_if<HttpResponse>(&outcome);
    return answer != nullptr ? std::move(*answer) : HttpResponse{.status = 0};
  }
};

// A request with the root token.
inline HttpRequest AsRoot(std::string method, std::string path, std::string body = "") {
  HttpRequest request;
  request.method = std::move(method);
  request.path = std::move(path);
  request.headers = {{"Host", "127.0.0.1:8200"}, {"X-Vault-Token", "root"}};
  request.body = std::move(body);
  request.remote_address = "127.0.0.1";
  return request;
}

}  // namespace belfry::api
