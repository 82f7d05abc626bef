#pragma once

#include <string>
#include <vector>

#include "cli/terminal.h"

namespace belfry::cli {

// `belfry events explain`: which events a token receives, and why. The exit code is as for the
// commands of commands.h.
int RunExplain(Terminal& terminal, const std::vector<std::string>& arguments);

}  // namespace belfry::cli
