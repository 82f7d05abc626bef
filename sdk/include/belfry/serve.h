#pragma once

#include <string_view>

#include "belfry/engine.h"

namespace belfry {

// What a host may mount the plugin as: at a path of its own, or below auth/.
enum class EngineKind { kSecrets, kAuth };

// What a plugin is. The strings must outlive Serve.
struct Plugin {
  std::string_view name;
  // A semantic version with a leading 'v', or empty.
  std::string_view version;
  // Describes one mount; called once for each, on a fresh engine, and once before all of them, on
  // an engine without mount options that is only checked.
  void (*define)(Engine&) = nullptr;
  EngineKind kind = EngineKind::kSecrets;
};

// Runs the plugin until its host stops it; the whole of main(). Returns the exit code: 0 after an
// orderly stop, 1 when it was not started by a host (it then says on standard error what it is) or
// could not start, for example because `define` contradicts itself; standard error says why.
// Standard output belongs to the protocol; what the plugin prints there reaches the host's log.
int Serve(const Plugin& plugin, int argc, char** argv);

}  // namespace belfry
