#include "cli/operator_commands.h"

namespace belfry::cli {

std::vector<Command> OperatorCommands() {
  return {{"init", "Initialize a server: get its unseal keys and a root token", RunOperatorInit},
          {"unseal", "Give one of the unseal keys", RunOperatorUnseal},
          {"seal", "Seal a server: nothing can be read until it is unsealed", RunOperatorSeal},
          {"rekey", "Replace the unseal keys", RunOperatorRekey},
          {"generate-root", "Make a root token with the unseal keys", RunOperatorGenerateRoot},
          {"rotate", "Encrypt with a new key from now on", RunOperatorRotate},
          {"key-status", "Show the key that the server encrypts with", RunOperatorKeyStatus},
          {"members", "Show the nodes of a server", RunOperatorMembers},
          {"step-down", "Let another node become the active one", RunOperatorStepDown}};
}

}  // namespace belfry::cli
