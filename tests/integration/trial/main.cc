// A plugin on which the tests try what an author may do, mistakes included. What a mount does is in
// its options; each path does one thing.

#include <belfry/plugin.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace {

using belfry::Request;
using belfry::Response;
using belfry::Result;

// Option `every`: the period of a hook that counts its runs. GET runs: how many there were.
void DefineHooks(belfry::Engine& engine) {
  engine.Path("runs", "How often the hook has run.").OnRead([](Request& req) -> Result {
    BELFRY_ASSIGN_OR_RETURN(const auto runs, req.storage().Get("runs"));
    return Response::Data({{"runs", std::stoi(runs.value_or("0"))}});
  });
  absl::Duration period;
  if (!absl::ParseDuration(std::string(engine.MountOption("every")), &period)) return;
  engine.Every(period, [](belfry::HookContext& host) -> absl::Status {
    BELFRY_ASSIGN_OR_RETURN(const auto runs, host.storage.Get("runs"));
    return host.storage.Put("runs", std::to_string(std::stoi(runs.value_or("0")) + 1));
  });
}

// Option `fail`: what goes wrong at the start; with option `if`, only while there is such a file.
void DefineFailures(belfry::Engine& engine) {
  const std::string_view condition = engine.MountOption("if");
  if (!condition.empty() && !std::filesystem::exists(condition)) return;
  const std::string_view fail = engine.MountOption("fail");
  if (fail == "define throws") throw std::runtime_error("boom in define");
  if (fail == "define aborts") {
    std::fprintf(stderr, "trial: aborted for a good reason\n");
    std::abort();
  }
  if (fail == "initialize throws") {
    engine.OnInitialize([](belfry::HookContext&) -> absl::Status {
      throw std::runtime_error("boom in OnInitialize");
    });
  }
  if (fail == "every throws") {
    engine.Every(absl::Milliseconds(1), [](belfry::HookContext&) -> absl::Status {
      throw std::runtime_error("boom in Every");
    });
  }
}

void DefineAnswers(belfry::Engine& engine) {
  engine.Path("boom", "Throws.").OnRead([](Request&) -> Result {
    throw std::runtime_error("boom with s3cret");
  });
  engine.Path("seven", "Throws what is no exception.").OnRead([](Request&) -> Result { throw 7; });
  engine.Path("corrupt", "Has lost data.").OnRead([](Request&) -> Result {
    return absl::DataLossError("corrupt ledger");
  });
  engine.Path("die", "Ends the process.").OnRead([](Request&) -> Result {
    std::fprintf(stderr, "trial: died for a good reason\n");
    std::abort();
  });
  engine.Path("ok-status", "Answers with a status that is no failure.")
      .OnRead([](Request&) -> Result { return absl::OkStatus(); });
  belfry::Route& own = engine.Path("own", "Has a field.");
  own.OnRead([](Request&) -> Result { return Response::NoContent(); });
  const auto foreign = own.Field<bool>("flag", "A field.");
  engine.Path("foreign", "Asks for a field of another path.")
      .OnRead([foreign](Request& req) -> Result {
        return Response::Data({{"flag", req[foreign]}});
      });
  engine.Path("gone", "There is no such thing.").OnWrite([](Request&) -> Result {
    return Response::NotFound();
  });
  engine.Path("login", "Not for this kind of engine.").OnWrite([](Request&) -> Result {
    return Response::Login({.policies = {"root"}});
  });
  belfry::Route& http = engine.Path("http", "Answers with any status.");
  const auto error = http.Field<std::int64_t>("error", "Of an HttpError.");
  const auto status = http.Field<std::int64_t>("status", "Of an answer.");
  http.OnUpdate([error, status](Request& req) -> Result {
    if (req.Has(error)) return belfry::HttpError(static_cast<int>(req[error]), "fine");
    return Response::WithStatus(static_cast<int>(req[status]), {{"fine", true}});
  });
  http.OnlyUpdates();
}

// PUT events: sends one, and answers with what became of it.
void DefineEvents(belfry::Engine& engine) {
  belfry::Route& events = engine.Path("events", "Sends an event.");
  const auto path = events.Field<std::string>("path", "Its path.");
  const auto data_path = events.Field<std::string>("data_path", "Its data_path.");
  const auto key = events.Field<std::string>("key", "A key of its metadata.");
  const auto bytes = events.Field<std::int64_t>("bytes", "How long that key's value is.");
  events.Default(path, "x").Default(key, "k").OnlyUpdates();
  events.OnUpdate([path, data_path, key, bytes](Request& req) -> Result {
    belfry::EventMetadata metadata{.path = req[path], .data_path = req[data_path]};
    metadata.extra[req[key]] = std::string(static_cast<std::size_t>(req[bytes]), 'x');
    const absl::Status sent = req.events().Send("trial/event", metadata);
    return Response::Data({{"code", absl::StatusCodeToString(sent.code())},
                           {"message", std::string(sent.message())}});
  });
}

absl::Status CountUp(belfry::Storage& storage) {
  BELFRY_ASSIGN_OR_RETURN(const auto count, storage.Get("count"));
  return storage.Put("count", std::to_string(std::stoi(count.value_or("0")) + 1));
}

// Requests that are interrupted by the death of the process, before or after they have stored
// something. GET count: how often they have.
void DefineDeaths(belfry::Engine& engine) {
  engine.Path("count", "How often something was stored.").OnRead([](Request& req) -> Result {
    BELFRY_ASSIGN_OR_RETURN(const auto count, req.storage().Get("count"));
    return Response::Data({{"count", std::stoi(count.value_or("0"))}});
  });
  engine.Path("store-and-die", "Stores, and dies before it answers.")
      .OnWrite([](Request& req) -> Result {
        BELFRY_RETURN_IF_ERROR(CountUp(req.storage()));
        std::raise(SIGKILL);
        return Response::NoContent();
      });
  belfry::Route& once = engine.Path("die-and-store", "Dies if a file is not there, else stores.");
  const auto file = once.Field<std::string>("file", "Its path. It is made first.");
  once.OnWrite([file](Request& req) -> Result {
    if (!std::filesystem::exists(req[file])) {
      std::ofstream(req[file]) << "x";
      std::raise(SIGKILL);
    }
    BELFRY_RETURN_IF_ERROR(CountUp(req.storage()));
    return Response::NoContent();
  });
}

void DefineHost(belfry::Engine& engine) {
  engine.Path("log", "Logs.").OnRead([](Request& req) -> Result {
    req.log().Info("a handler says hello", {{"who", "trial"}});
    req.log().Debug("not shown");
    return Response::NoContent();
  });
  engine.Path("ttls", "What the host makes of leases.").OnRead([](Request& req) -> Result {
    BELFRY_ASSIGN_OR_RETURN(const belfry::LeaseTtls ttls, req.Ttls());
    return Response::Data({{"default", absl::ToInt64Seconds(ttls.default_ttl)},
                           {"max", absl::ToInt64Seconds(ttls.max_ttl)}});
  });
  belfry::Route& hang =
      engine.Path("hang/{name}", "Returns when there is a file; makes another, \".here\", first.");
  const auto file = hang.Field<std::string>("file", "Its path.");
  hang.OnRead([file](Request& req) -> Result {
    std::ofstream(req[file] + ".here") << "x";
    while (!std::filesystem::exists(req[file]) && !req.cancelled())
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    return Response::NoContent();
  });
}

// Fields of every type, some of one operation alone.
void DefineTickets(belfry::Engine& engine) {
  belfry::Route& ticket = engine.Path("tickets/{name}", "One ticket.");
  const auto seat = ticket.Field<std::string>("seat", "Where.");
  const auto language = ticket.Field<std::string>("language", "Of what is answered.");
  ticket.Require(seat).Sensitive(seat).AllowedValues(seat, {"stalls", "balcony"});
  ticket.For(language, {belfry::Operation::kRead});
  ticket.Field<std::int64_t>("integer", "");
  ticket.Field<double>("number", "");
  ticket.Field<bool>("boolean", "");
  ticket.Field<absl::Duration>("duration", "");
  ticket.Field<absl::Time>("time", "");
  ticket.Field<std::vector<std::string>>("strings", "");
  ticket.Field<std::vector<std::int64_t>>("integers", "");
  ticket.Field<std::map<std::string, std::string>>("map", "");
  ticket.Field<belfry::Json::Object>("object", "");
  ticket.OnRead([](Request&) -> Result { return Response::NoContent(); });
  ticket.OnUpdate([](Request&) -> Result { return Response::NoContent(); }).OnlyUpdates();
}

void DefineTrial(belfry::Engine& engine) {
  DefineHooks(engine);
  DefineFailures(engine);
  DefineAnswers(engine);
  DefineEvents(engine);
  DefineDeaths(engine);
  DefineHost(engine);
  DefineTickets(engine);
}

void DefineTwice(belfry::Engine& engine) {
  for (const char* path : {"same", "same"}) {
    engine.Path(path, "One of two.").OnRead([](Request&) -> Result {
      return Response::NoContent();
    });
  }
}

}  // namespace

// A program whose name ends in "-twice" describes a path twice.
int main(int argc, char** argv) {
  const bool twice = std::string_view(argv[0]).ends_with("-twice");
  return belfry::Serve(
      {.name = "trial", .version = "v0.1.0", .define = twice ? DefineTwice : DefineTrial}, argc,
      argv);
}
