#include "plugins/notes/notes.h"

int main(int argc, char** argv) {
  return belfry::Serve({.name = "notes", .version = "v0.1.0", .define = DefineNotes}, argc, argv);
}
