// A plugin that says everything which the protocol can carry and kv and notes have no use for: for
// tests with hosts that are not ours. Started as "…-login" it is an auth plugin.

#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <thread>

#include "belfry/plugin.h"

namespace {

using belfry::Json;
using belfry::Request;
using belfry::Response;
using belfry::Result;

void DefineErrors(belfry::Engine& engine) {
  auto& route = engine.Path("errors/{code}", "Fails with the status of this number.");
  const auto code = route.Param("code");
  route.OnRead([code](Request& request) -> Result {
    return absl::Status(static_cast<absl::StatusCode>(std::atoi(request[code].c_str())), "words");
  });
  auto& teapot = engine.Path("http/{status}", "Fails with this HTTP status.");
  const auto status = teapot.Param("status");
  teapot.OnRead([status](Request& request) -> Result {
    return belfry::HttpError(std::atoi(request[status].c_str()), "short and stout");
  });
}

void DefineAnswers(belfry::Engine& engine) {
  engine.Path("raw", "Bytes of any kind.").OnRead([](Request&) -> Result {
    std::string bytes;
    for (int byte = 0; byte < 256; ++byte) bytes += static_cast<char>(byte);
    return Response::Raw(202, "application/octet-stream", std::move(bytes));
  });
  engine.Path("status", "An envelope with a status.").OnRead([](Request&) -> Result {
    return Response::WithStatus(404, {{"still", "here"}});
  });
  engine.Path("wrapped", "Only by a token.").OnRead([](Request&) -> Result {
    return Response::Data({{"a", "b"}}).WrapFor(absl::Minutes(5)).AddHeader("X-Shown", "yes");
  });
  engine.Path("nothing", "Answers nothing, to everything.")
      .OnRead([](Request&) -> Result { return Response::NotFound(); })
      .OnWrite([](Request&) -> Result { return Response::NoContent(); })
      .OnList([](Request&) -> Result { return Response::List({}); });
  engine.Path("who", "Who asks, with which headers.").OnRead([](Request& request) -> Result {
    Json::Object headers;
    for (const auto& [name, values] : request.headers()) headers[name] = values.front();
    return Response::Data({{"id", std::string(request.id())},
                           {"display_name", request.caller().display_name},
                           {"remote_address", request.caller().remote_address},
                           {"unauthenticated", request.caller().unauthenticated},
                           {"headers", std::move(headers)}});
  });
}

// Leases passwords; those of the key "stubborn" cannot be taken back.
void DefineSecrets(belfry::Engine& engine) {
  auto& password = engine.Secret("password");
  password
      .OnRenew([](Request&, const belfry::LeasedSecret& leased) -> absl::StatusOr<belfry::Lease> {
        belfry::Lease lease = leased.lease;
        lease.ttl = leased.increment;
        return lease;
      })
      .OnRevoke([](Request& request, const belfry::LeasedSecret& leased) -> absl::Status {
        const std::string user = *leased.lease.internal.at("user").if_string();
        if (user == "stubborn") return absl::UnavailableError("not now");
        return request.storage().Put("revoked/" + user, leased.lease_id);
      });
  auto& route = engine.Path("creds/{user}", "A password.");
  const auto user = route.Param("user");
  route.OnRead([user, &password](Request& request) -> Result {
    return Response::Secret(
        password, {{"password", "x"}},
        {.ttl = absl::Hours(1), .max_ttl = absl::Hours(8), .internal = {{"user", request[user]}}});
  });
}

void DefineLogs(belfry::Engine& engine) {
  auto& route = engine.Path("log", "Prints on standard error and output, from many threads.");
  route.OnWrite([](Request&) -> Result {
    std::vector<std::thread> threads;
    for (int n = 0; n < 8; ++n) {
      threads.emplace_back([n] {
        for (int line = 0; line < 50; ++line) {
          const std::string text =
              "[WARN] thread " + std::to_string(n) + " line " + std::to_string(line) + "\n";
          if (::write(STDERR_FILENO, text.data(), text.size()) < 0) std::abort();
          std::printf("printed %d %d\n", n, line);
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    const std::string long_line(100'000, 'x');
    if (::write(STDERR_FILENO, (long_line + "\n").data(), long_line.size() + 1) < 0) std::abort();
    std::fflush(stdout);
    return Response::NoContent();
  });
}

void DefineWaiting(belfry::Engine& engine) {
  engine.Path("wait", "Waits until nobody waits for it.").OnRead([](Request& request) -> Result {
    const bool has_deadline = request.deadline() != absl::InfiniteFuture();
    while (!request.cancelled()) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    // Kept with the mount's own storage: the request's ends with the request.
    std::fprintf(stderr, "[WARN] cancelled%s\n", has_deadline ? ", with a deadline" : "");
    return Response::NoContent();
  });
}

void DefineHooks(belfry::Engine& engine) {
  engine
      .OnInitialize(
          [](belfry::HookContext& host) { return host.storage.Put("initialized", "yes"); })
      .OnInvalidate([](belfry::HookContext& host, std::string_view key) {
        host.storage.Put("invalidated", key).IgnoreError();
      })
      .Every(absl::Nanoseconds(1),
             [](belfry::HookContext& host) { return host.storage.Put("rolled", "back"); })
      .OnCleanup([](belfry::HookContext& host) { return host.storage.Put("cleaned", "up"); });
}

void DefinePaths(belfry::Engine& engine) {
  for (const char* path : {"root/{name}", "open"}) {
    engine.Path(path, "Only there to be marked.").OnRead([](Request&) -> Result {
      return Response::NotFound();
    });
  }
  engine.RootOnly({"root/*"}).Unauthenticated({"open"}).SealWrapped({"sealed/"});
  engine.Mark(belfry::SpecialPath::kLocalStorage, {"local/"})
      .Mark(belfry::SpecialPath::kWriteForwarded, {"forwarded/"})
      .Mark(belfry::SpecialPath::kLimited, {"limited"})
      .Mark(belfry::SpecialPath::kSnapshotRead, {"snapshot/*"});
}

void DefineEverything(belfry::Engine& engine) {
  DefineErrors(engine);
  DefineAnswers(engine);
  DefineSecrets(engine);
  DefineLogs(engine);
  DefineWaiting(engine);
  DefineHooks(engine);
  DefinePaths(engine);
}

void DefineLogin(belfry::Engine& engine) {
  engine.Unauthenticated({"login"});
  auto& route = engine.Path("login", "Whoever comes.");
  const auto name = route.Field<std::string>("name", "Who.");
  route.OnWrite([name](Request& request) -> Result {
    return Response::Login({.policies = {"p1", "p2"},
                            .display_name = request[name],
                            .metadata = {{"k", "v"}},
                            .alias = request[name],
                            .group_aliases = {"g"},
                            .lease = {.ttl = absl::Hours(1), .internal = {{"name", request[name]}}},
                            .period = absl::Minutes(30),
                            .explicit_max_ttl = absl::Hours(24),
                            .num_uses = 3,
                            .bound_cidrs = {"10.0.0.0/8"},
                            .token_type = belfry::TokenType::kBatch,
                            .no_default_policy = true});
  });
  engine.OnRenewLogin(
      [](Request&, const belfry::GivenGrant& given) -> absl::StatusOr<belfry::Grant> {
        belfry::Grant grant = given.grant;
        grant.lease.ttl = given.increment;
        return grant;
      });
}

}  // namespace

int main(int argc, char** argv) {
  const bool login = std::string_view(argv[0]).ends_with("-login");
  return belfry::Serve({.name = "everything",
                        .version = "v0.0.1",
                        .define = login ? DefineLogin : DefineEverything,
                        .kind = login ? belfry::EngineKind::kAuth : belfry::EngineKind::kSecrets},
                       argc, argv);
}
