#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <iostream>

#include "cli/command.h"
#include "cli/commands.h"
#include "cli/operator_commands.h"
#include "cli/operator_config.h"
#include "cli/operator_storage.h"
#include "cli/output.h"
#include "cli/server_command.h"

namespace belfry::cli {
namespace {

int RunVersion(Terminal& terminal, const std::vector<std::string>& arguments) {
  Flags flags({.usage = "version",
               .about = "Shows the version of this program; \"belfry status\" shows the server's.",
               .examples = {"belfry version"}});
  int exit_code = kSuccess;
  if (!ParseOrExplain(flags, arguments, 0, 0, terminal, &exit_code)) return exit_code;
  *terminal.out << "Belfry v" << BELFRY_VERSION << std::endl;
  return kSuccess;
}

int RunOperator(Terminal& terminal, const std::vector<std::string>& arguments) {
  std::vector<Command> commands = OperatorCommands();
  commands.push_back(
      {"snapshot", "Save what a server has stored, and restore it", RunOperatorSnapshot});
  commands.push_back(
      {"check", "Read a data directory and compare its checksums", RunOperatorCheck});
  commands.push_back({"config", "Work with configuration files", RunOperatorConfig});
  return Dispatch("operator ", commands, terminal, arguments);
}

int Main(int argc, char** argv) {
  // A reader that goes away shows as a failed write.
  std::signal(SIGPIPE, SIG_IGN);
  KeepStandardDescriptors();
  std::ios::sync_with_stdio(false);  // Else a failed read of standard input looks like its end.
  DescriptorStream out(STDOUT_FILENO);
  Terminal terminal{.in = &std::cin,
                    .out = &out,
                    .err = &std::cerr,
                    .output_descriptor = STDOUT_FILENO,
                    .input_descriptor = STDIN_FILENO};
  terminal.environment = [](const char* name) {
    const char* value = std::getenv(name);
    return value == nullptr ? std::nullopt : std::optional<std::string>(value);
  };
  const std::vector<Command> commands = {
      {"server", "Start a server", RunServer},
      {"status", "Show whether a server is up and unsealed", RunStatus},
      {"events", "Hear of changes as they happen", RunEvents},
      {"kv", "Read and write secrets", RunKv},
      {"secrets", "Mount, list, move and unmount secrets engines", RunSecrets},
      {"operator", "Do what operators of a server do", RunOperator},
      {"version", "Show the version", RunVersion},
  };
  std::vector<std::string> arguments(argv + 1, argv + argc);
  if (!arguments.empty() &&
      (arguments[0] == "-version" || arguments[0] == "--version" || arguments[0] == "-v")) {
    arguments[0] = "version";
  }
  const int exit_code = Dispatch("", commands, terminal, std::move(arguments));
  return ExitCodeAfterOutput(out, std::cerr, exit_code);
}

}  // namespace
}  // namespace belfry::cli

int main(int argc, char** argv) {
  return belfry::cli::Main(argc, argv);
}
