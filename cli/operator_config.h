#pragma once

#include <string>
#include <vector>

#include "cli/terminal.h"

namespace belfry::cli {

// `operator config check`, which reads files as a server does: 0 when they are a configuration,
// else 1 with every error that was found.
int RunOperatorConfig(Terminal& terminal, const std::vector<std::string>& arguments);

}  // namespace belfry::cli
