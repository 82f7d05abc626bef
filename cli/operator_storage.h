#pragma once

#include <string>
#include <vector>

#include "cli/terminal.h"

namespace belfry::cli {

// What operators do to stored data. Exit codes as of the other operator commands, and 2 for a
// snapshot or a data directory that is damaged or cannot be used.

// `operator snapshot save|restore|inspect`.
int RunOperatorSnapshot(Terminal& terminal, const std::vector<std::string>& arguments);
// `operator check`: reads a data directory while no server runs.
int RunOperatorCheck(Terminal& terminal, const std::vector<std::string>& arguments);

}  // namespace belfry::cli
