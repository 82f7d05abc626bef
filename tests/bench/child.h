#pragma once

#include <sys/types.h>

#include <cstdio>
#include <string>
#include <vector>

namespace belfry::bench {

// A child process whose standard output and error we read line by line; ended when it goes out of
// scope. Failures throw, as in sockets.h.
class Child {
 public:
  explicit Child(const std::vector<std::string>& command);
  ~Child();
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  // At once, as kill -9 does.
  void Kill();
  pid_t pid() const { return pid_; }
  // What follows `marker` in the first line that has it.
  std::string LineAfter(const std::string& marker);

 private:
  pid_t pid_ = 0;
  FILE* output_ = nullptr;
};

}  // namespace belfry::bench
