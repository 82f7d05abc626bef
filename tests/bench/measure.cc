#include "tests/bench/measure.h"

#include <stdlib.h>

#include <algorithm>
#include <chrono>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "tests/bench/sockets.h"

namespace belfry::bench {

namespace {
bool quick = false;
}  // namespace

void BeQuick() {
  quick = true;
}

bool IsQuick() {
  return quick;
}

std::chrono::milliseconds LoadTime() {
  return std::chrono::milliseconds(IsQuick() ? 200 : 2000);
}

double Seconds(const std::function<void()>& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

std::uint16_t PortIn(const std::string& text) {
  std::uint32_t port = 0;
  const std::size_t colon = text.rfind(':');
  if (!absl::SimpleAtoi(
          text.substr(colon + 1, text.find_first_not_of("0123456789", colon + 1) - colon - 1),
          &port)) {
    Die(absl::StrCat("no port in: ", text));
  }
  return static_cast<std::uint16_t>(port);
}

std::string NewFolder() {
  std::string name = "/tmp/belfry-bench.XXXXXX";
  if (mkdtemp(name.data()) == nullptr) Die("no folder in /tmp");
  return name;
}

}  // namespace belfry::bench
