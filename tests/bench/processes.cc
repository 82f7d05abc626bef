#include "tests/bench/processes.h"

#include <unistd.h>

#include <charconv>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>

namespace belfry::bench {
namespace {

// What /proc/<pid>/stat says from the process state on: proc(5) counts it as the third field. Empty
// when there is no such process.
std::vector<std::string> StatOf(pid_t process) {
  std::ifstream file("/proc/" + std::to_string(process) + "/stat");
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  std::istringstream fields(text.substr(text.rfind(')') + 1));
  return {std::istream_iterator<std::string>(fields), {}};
}

constexpr std::size_t kParent = 4 - 3, kUserTime = 14 - 3, kSystemTime = 15 - 3;

}  // namespace

double ProcessorSeconds(pid_t process) {
  const std::vector<std::string> stat = StatOf(process);
  if (stat.size() <= kSystemTime) return 0;
  return static_cast<double>(std::stol(stat[kUserTime]) + std::stol(stat[kSystemTime])) /
         static_cast<double>(sysconf(_SC_CLK_TCK));
}

std::vector<pid_t> Descendants(pid_t process) {
  std::vector<pid_t> found;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const std::string name = entry.path().filename();
    pid_t other = 0;
    if (std::from_chars(name.data(), name.data() + name.size(), other).ec != std::errc()) continue;
    const std::vector<std::string> stat = StatOf(other);
    if (stat.size() <= kParent || stat[kParent] != std::to_string(process)) continue;
    found.push_back(other);
    for (const pid_t below : Descendants(other)) found.push_back(below);
  }
  return found;
}

}  // namespace belfry::bench
