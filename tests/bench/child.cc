#include "tests/bench/child.h"

#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string_view>

#include "absl/strings/str_cat.h"
#include "tests/bench/sockets.h"

extern char** environ;

namespace belfry::bench {

Child::Child(const std::vector<std::string>& command) {
  int ends[2];
  if (pipe(ends) != 0) Die("no pipe");
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
  posix_spawn_file_actions_adddup2(&actions, ends[1], 2);
  posix_spawn_file_actions_addclose(&actions, ends[0]);
  std::vector<char*> argv;
  for (const std::string& word : command) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  if (posix_spawnp(&pid_, argv[0], &actions, nullptr, argv.data(), environ) != 0) {
    Die(absl::StrCat("cannot start ", command[0]));
  }
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  output_ = fdopen(ends[0], "r");
}

Child::~Child() {
  kill(pid_, SIGTERM);
  waitpid(pid_, nullptr, 0);
  fclose(output_);
}

void Child::Kill() {
  kill(pid_, SIGKILL);
}

std::string Child::LineAfter(const std::string& marker) {
  char line[4096];
  while (fgets(line, sizeof line, output_) != nullptr) {
    const std::string_view text = line;
    if (const std::size_t at = text.find(marker); at != std::string_view::npos) {
      return std::string(text.substr(at + marker.size()));
    }
  }
  Die(absl::StrCat("a server ended without saying \"", marker, "\""));
}

}  // namespace belfry::bench
