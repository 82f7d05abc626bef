#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace belfry::bench {

// How many rounds to measure: one when everything is only to be run once.
int Rounds(int wanted = 5);

// Events or deliveries a second: one round to warm up, then the median.
double Rate(std::int64_t amount, const std::function<void()>& round);

struct Comparison {
  double ours = 0;
  double theirs = 0;
  double ratio = 0;
};

// Two contenders in turn: what disturbs the machine disturbs them both, and the ratio is the median
// of those of the rounds. Each returns how much it did a second.
Comparison CompareRates(const std::function<double()>& ours, const std::function<double()>& theirs,
                        int rounds = Rounds());
// The same of what does the same amount each time.
Comparison Compare(std::int64_t amount, const std::function<void()>& ours,
                   const std::function<void()>& theirs, int rounds = Rounds());

// Prints a comparison beside the least ratio that the project promises; false when it is not held.
bool Hold(std::string_view what, std::string_view peer, const Comparison& rates, double bar,
          std::string_view unit = "events");

}  // namespace belfry::bench
