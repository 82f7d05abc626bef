#pragma once

#include <sys/types.h>

#include <chrono>
#include <string>
#include <vector>

namespace belfry::testing {

// A plugin's own process, as a host starts it: this process's environment without what hosts set,
// plus `environment`; standard output and error are pipes. Used by one thread. Killed at the end.
class PluginProcess final {
 public:
  // Stops the program when the binary cannot be started.
  PluginProcess(const std::string& binary, const std::vector<std::string>& environment,
                const std::vector<std::string>& arguments = {});
  ~PluginProcess();
  PluginProcess(const PluginProcess&) = delete;
  PluginProcess& operator=(const PluginProcess&) = delete;

  pid_t id() const { return id_; }
  // The next line of standard output with its line break; what there was when it ended.
  std::string ReadLine() const;
  // All that comes until the plugin closes it.
  std::string ReadOutput() const;
  std::string ReadErrors() const;
  // As a host that has died.
  void CloseOutput();
  // Exit code, or minus the signal that ended it.
  int Wait();

 private:
  pid_t id_ = -1;
  int output_ = -1;
  int errors_ = -1;
};

}  // namespace belfry::testing
