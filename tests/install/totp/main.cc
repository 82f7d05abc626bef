#include "totp.h"

int main(int argc, char** argv) {
  return belfry::Serve({.name = "totp", .version = "v0.1.0", .define = DefineTotp}, argc, argv);
}
