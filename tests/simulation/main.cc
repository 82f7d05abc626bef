#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <string_view>

#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "tests/simulation/simulation.h"

// What `./dev simulate` runs.

namespace belfry::simulation {
namespace {

constexpr std::size_t kLinesOfAViolation = 30;
constexpr std::string_view kUsage =
    "usage: belfry-simulation [-seeds=N] [-first=X] [-seed=X]\n"
    "  -seeds=N   so many seeds (1000), from X on (1)\n"
    "  -seed=X    this one, and its history\n";

struct Arguments {
  std::uint64_t first = 1;
  std::uint64_t seeds = 1000;
  bool verbose = false;
};

// nullopt: it is not this one, or not a number.
std::optional<std::uint64_t> ValueOf(std::string_view argument, std::string_view name) {
  if (!argument.starts_with(name)) return std::nullopt;
  argument.remove_prefix(name.size());
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(argument.begin(), argument.end(), value);
  if (error != std::errc() || end != argument.end()) return std::nullopt;
  return value;
}

std::optional<Arguments> Parse(int argc, char** argv) {
  Arguments arguments;
  for (int i = 1; i < argc; ++i) {
    if (const auto seeds = ValueOf(argv[i], "-seeds=")) {
      arguments.seeds = *seeds;
    } else if (const auto first = ValueOf(argv[i], "-first=")) {
      arguments.first = *first;
    } else if (const auto seed = ValueOf(argv[i], "-seed=")) {
      arguments = {.first = *seed, .seeds = 1, .verbose = true};
    } else {
      return std::nullopt;
    }
  }
  return arguments;
}

void Print(const Outcome& outcome, std::size_t lines) {
  const std::size_t begin = outcome.history.size() > lines ? outcome.history.size() - lines : 0;
  for (std::size_t i = begin; i < outcome.history.size(); ++i)
    absl::PrintF("%s\n", outcome.history[i]);
}

// False: there was a violation.
bool RunAll(const Arguments& arguments) {
  const auto begin = std::chrono::steady_clock::now();
  absl::Duration time;
  std::uint64_t events = 0, starts = 0, damaged = 0;
  for (std::uint64_t i = 0; i < arguments.seeds; ++i) {
    const std::uint64_t seed = arguments.first + i;
    const Outcome outcome = Simulation(seed).Run();
    time += outcome.time;
    events += outcome.events;
    starts += outcome.starts;
    damaged += outcome.damage_found ? 1 : 0;
    if (arguments.verbose) Print(outcome, outcome.history.size());
    if (!outcome.violation) continue;
    if (!arguments.verbose) Print(outcome, kLinesOfAViolation);
    absl::PrintF("seed %d: %s\nrun it again: ./dev simulate -seed=%d\n", seed, *outcome.violation,
                 seed);
    return false;
  }
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  absl::PrintF(
      "%d seeds without a violation: %d events, %d starts, %d runs ended by damage that was found\n"
      "%.0f seeds per second, %.0f virtual seconds per second\n",
      arguments.seeds, events, starts, damaged, static_cast<double>(arguments.seeds) / seconds,
      absl::ToDoubleSeconds(time) / seconds);
  return true;
}

}  // namespace
}  // namespace belfry::simulation

int main(int argc, char** argv) {
  const auto arguments = belfry::simulation::Parse(argc, argv);
  if (!arguments) {
    std::fputs(belfry::simulation::kUsage.data(), stderr);
    return 2;
  }
  return belfry::simulation::RunAll(*arguments) ? 0 : 1;
}
