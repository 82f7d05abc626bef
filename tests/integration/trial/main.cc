// A plugin on which the tests try what an author may do, mistakes included. What a mount does is in
// its options; each path does one thing.

#include <belfry/plugin.h>

#include <string>

namespace {

using belfry::Json;

// Option `every`: the period of a hook that counts its runs. GET runs: how many there were.
void DefineHooks(belfry::SecretsEngine& engine) {
  engine.Path("runs", "How often the hook has run.")
      .OnRead([](belfry::Request& req) -> belfry::Result {
        BELFRY_ASSIGN_OR_RETURN(const auto runs, req.storage().Get("runs"));
        return belfry::Response::Data({{"runs", std::stoi(runs.value_or("0"))}});
      });
  absl::Duration period;
  if (!absl::ParseDuration(std::string(engine.MountOption("every")), &period)) return;
  engine.Every(period, [](belfry::HookContext& host) -> absl::Status {
    BELFRY_ASSIGN_OR_RETURN(const auto runs, host.storage.Get("runs"));
    return host.storage.Put("runs", std::to_string(std::stoi(runs.value_or("0")) + 1));
  });
}

void DefineTrial(belfry::SecretsEngine& engine) {
  DefineHooks(engine);
}

}  // namespace

int main(int argc, char** argv) {
  return belfry::Serve({.name = "trial", .version = "v0.1.0", .define = DefineTrial}, argc, argv);
}
