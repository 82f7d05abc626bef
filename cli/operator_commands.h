#pragma once

#include <string>
#include <vector>

#include "cli/command.h"

namespace belfry::cli {

// What operators do to servers over the public HTTP API. `arguments` is what follows the command's
// name. Each returns the exit code: 0; 1 for a wrong use; 2 when the server refused or could not be
// reached.

// With -status: 0 initialized, 2 not, 1 for every error.
int RunOperatorInit(Terminal& terminal, const std::vector<std::string>& arguments);
int RunOperatorUnseal(Terminal& terminal, const std::vector<std::string>& arguments);
int RunOperatorSeal(Terminal& terminal, const std::vector<std::string>& arguments);
int RunOperatorRekey(Terminal& terminal, const std::vector<std::string>& arguments);
int RunOperatorGenerateRoot(Terminal& terminal, const std::vector<std::string>& arguments);
int RunOperatorRotate(Terminal& terminal, const std::vector<std::string>& arguments);
int RunOperatorKeyStatus(Terminal& terminal, const std::vector<std::string>& arguments);
int RunOperatorMembers(Terminal& terminal, const std::vector<std::string>& arguments);
int RunOperatorStepDown(Terminal& terminal, const std::vector<std::string>& arguments);

// These, in the order of a list for people.
std::vector<Command> OperatorCommands();

}  // namespace belfry::cli
