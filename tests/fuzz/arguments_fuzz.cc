// How a plugin is started: one argument a line. (plugin-protocol 4.4)

#include <string>
#include <vector>

#include "sdk/src/environment.h"
#include "tests/fuzz/fuzz.h"

void belfry::fuzz::Examine(std::string_view input) {
  std::vector<std::string> arguments = {"plugin"};
  while (!input.empty()) arguments.emplace_back(TakeLine(input));
  std::vector<const char*> argv;
  for (const std::string& argument : arguments) argv.push_back(argument.c_str());
  const int argc = static_cast<int>(argv.size());
  const std::optional<std::string> usage = internal::CheckArguments(argc, argv.data());
  BELFRY_CLAIM(!usage || usage->find("Usage of plugin") != std::string::npos);
  // What stands behind the first plain word is not looked at.
  argv.insert(argv.begin() + 1, "word");
  BELFRY_CLAIM(!internal::CheckArguments(argc + 1, argv.data()));
}
