#pragma once

#include <string>
#include <vector>

#include "cli/terminal.h"

namespace belfry::cli {

// `belfry server`, by a configuration or in dev mode: runs a server until SIGINT or SIGTERM. 0
// after an orderly stop; 1 when it could not start.
int RunServer(Terminal& terminal, const std::vector<std::string>& arguments);

}  // namespace belfry::cli
