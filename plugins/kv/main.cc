#include "belfry/plugin.h"
#include "plugins/kv/kv.h"

int main(int argc, char** argv) {
  return belfry::Serve({.name = "kv", .version = "v0.1.0", .define = belfry::kv::DefineKv}, argc,
                       argv);
}
