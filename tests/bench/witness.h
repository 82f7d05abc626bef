#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>
#include <thread>

namespace belfry::bench {

// A client that sends one request again and again, a moment after each answer, on a thread of its
// own, and remembers the longest that it had to wait.
class Witness {
 public:
  enum class Connections { kOne, kOneForEach };

  Witness(std::uint16_t port, std::string request, Connections connections = Connections::kOne);
  ~Witness();
  Witness(const Witness&) = delete;
  Witness& operator=(const Witness&) = delete;

  // What was longest, in milliseconds, a request that is still unanswered included. Ends it.
  double Worst();
  // How many were answered otherwise than with 2xx, or not at all.
  int failures() const { return failures_; }

 private:
  void Run();

  const std::uint16_t port_;
  const std::string request_;
  const Connections connections_;
  std::atomic<bool> stop_ = false;
  std::atomic<int> failures_ = 0;
  double worst_ = 0;
  std::thread thread_;
};

}  // namespace belfry::bench
