#include "cli/operator_config.h"

#include <limits>
#include <ostream>

#include "cli/command.h"
#include "server/configuration.h"

namespace belfry::cli {
namespace {

int CheckConfig(Terminal& terminal, const std::vector<std::string>& arguments) {
  Flags flags(
      {.usage = "operator config check PATH...",
       .about =
           R"(Reads configuration as "belfry server -config=PATH" does, starts nothing, and prints every
error in them with its file, line and column; files that they name are not looked at. Each PATH is a file in HCL or JSON, or a directory of
*.hcl and *.json.)",
       .examples = {"belfry operator config check /etc/belfry.d"}});
  int exit_code = kSuccess;
  constexpr std::size_t kAny = std::numeric_limits<std::size_t>::max();
  if (!ParseOrExplain(flags, arguments, 1, kAny, terminal, &exit_code)) return exit_code;
  const auto config = ReadConfiguration(flags.arguments());
  if (!config.ok()) return Fail(terminal, config.status(), kUsageError);
  *terminal.out << "Success! The configuration is valid." << std::endl;
  return kSuccess;
}

}  // namespace

int RunOperatorConfig(Terminal& terminal, const std::vector<std::string>& arguments) {
  return Dispatch("operator config ", {{"check", "Check configuration files", CheckConfig}},
                  terminal, arguments);
}

}  // namespace belfry::cli
