#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "belfry/plugin.h"

// A plugin for tests of what authors do that they should not: it prints, it does not return, and,
// where the environment has AWKWARD_TWICE, it describes a path twice.
namespace {

void DefineAwkward(belfry::Engine& engine) {
  std::printf("described\n");
  engine.Path("print", "Prints a megabyte on standard output.")
      .OnRead([](belfry::Request&) -> belfry::Result {
        for (int i = 0; i < 1024; ++i) std::printf("%s\n", std::string(1023, 'x').c_str());
        return belfry::Response::Data({{"printed", true}});
      });
  engine.Path("stuck", "Never returns.").OnRead([](belfry::Request&) -> belfry::Result {
    for (;;) ::pause();
  });
  if (std::getenv("AWKWARD_TWICE") != nullptr) engine.Path("stuck", "It has no handler, either.");
}

}  // namespace

int main(int argc, char** argv) {
  return belfry::Serve({.name = "awkward", .version = "v0.0.1", .define = DefineAwkward}, argc,
                       argv);
}
