#include "sdk/src/testing/plugin_process.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>

namespace belfry::testing {
namespace {

bool IsSetByHosts(std::string_view entry) {
  return entry.starts_with("PLUGIN_") || entry.starts_with("VAULT_") ||
         entry.starts_with("TMPDIR=");
}

std::vector<char*> Pointers(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

std::string ReadAll(int fd) {
  std::string all;
  char bytes[4096];
  for (ssize_t count; (count = ::read(fd, bytes, sizeof(bytes))) > 0;) {
    all.append(bytes, static_cast<std::size_t>(count));
  }
  return all;
}

}  // namespace

PluginProcess::PluginProcess(const std::string& binary, const std::vector<std::string>& environment,
                             const std::vector<std::string>& arguments) {
  int output[2], errors[2];
  if (::pipe2(output, O_CLOEXEC) != 0 || ::pipe2(errors, O_CLOEXEC) != 0) std::abort();
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, output[1], STDOUT_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions, errors[1], STDERR_FILENO);
  std::vector<std::string> variables = environment;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    if (!IsSetByHosts(*entry)) variables.emplace_back(*entry);
  }
  std::vector<std::string> words = arguments;
  words.insert(words.begin(), binary);
  const int error = ::posix_spawn(&id_, binary.c_str(), &actions, nullptr, Pointers(words).data(),
                                  Pointers(variables).data());
  ::posix_spawn_file_actions_destroy(&actions);
  ::close(output[1]);
  ::close(errors[1]);
  output_ = output[0];
  errors_ = errors[0];
  if (error != 0) {
    std::fprintf(stderr, "cannot start %s: %s\n", binary.c_str(), std::strerror(error));
    std::abort();
  }
}

PluginProcess::~PluginProcess() {
  if (id_ > 0) {
    ::kill(id_, SIGKILL);
    Wait();
  }
  CloseOutput();
  ::close(errors_);
}

std::string PluginProcess::ReadLine() const {
  std::string line;
  for (char byte; ::read(output_, &byte, 1) == 1;) {
    line += byte;
    if (byte == '\n') break;
  }
  return line;
}

std::string PluginProcess::ReadOutput() const {
  return ReadAll(output_);
}

std::string PluginProcess::ReadErrors() const {
  return ReadAll(errors_);
}

void PluginProcess::CloseOutput() {
  if (output_ >= 0) ::close(output_);
  output_ = -1;
}

int PluginProcess::Wait() {
  int status = 0;
  ::waitpid(id_, &status, 0);
  id_ = -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

}  // namespace belfry::testing
