#include "counter.h"

int main(int argc, char** argv) {
  return belfry::Serve({.name = "counter", .version = "v0.1.0", .define = DefineCounter}, argc,
                       argv);
}
