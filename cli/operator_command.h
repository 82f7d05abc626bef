#pragma once

#include <string>
#include <vector>

#include "cli/terminal.h"

namespace belfry::cli {

// What operators do to servers. `config check`: 0 when the files are a configuration, else 1 with
// every error that was found.
int RunOperator(Terminal& terminal, const std::vector<std::string>& arguments);

}  // namespace belfry::cli
