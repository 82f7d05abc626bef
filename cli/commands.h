#pragma once

#include <string>
#include <vector>

#include "cli/terminal.h"

namespace belfry::cli {

// The commands that are clients of the public HTTP API, by family. `arguments` is what follows the
// family's name. Each returns the exit code: 0; 1 for a wrong use; 2 when the server refused or
// could not be reached, unless said otherwise.

int RunKv(Terminal& terminal, const std::vector<std::string>& arguments);
int RunSecrets(Terminal& terminal, const std::vector<std::string>& arguments);
// `subscribe`: 0 when the reader of its output has gone, 1 when the server has refused or closed
// the stream.
int RunEvents(Terminal& terminal, const std::vector<std::string>& arguments);
// 0 unsealed, 2 sealed, 1 for every error.
int RunStatus(Terminal& terminal, const std::vector<std::string>& arguments);

}  // namespace belfry::cli
