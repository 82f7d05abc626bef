#include "tests/bench/compare.h"

#include <iostream>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "tests/bench/measure.h"

namespace belfry::bench {

int Rounds(int wanted) {
  return IsQuick() ? 1 : wanted;
}

double Rate(std::int64_t amount, const std::function<void()>& round) {
  round();
  std::vector<double> rates;
  for (int i = 0; i < Rounds(); ++i) rates.push_back(static_cast<double>(amount) / Seconds(round));
  return Median(std::move(rates));
}

Comparison CompareRates(const std::function<double()>& ours, const std::function<double()>& theirs,
                        int rounds) {
  ours();
  theirs();
  std::vector<double> our_rates, their_rates, ratios;
  for (int i = 0; i < rounds; ++i) {
    our_rates.push_back(ours());
    their_rates.push_back(theirs());
    ratios.push_back(our_rates.back() / their_rates.back());
  }
  return {Median(std::move(our_rates)), Median(std::move(their_rates)), Median(std::move(ratios))};
}

Comparison Compare(std::int64_t amount, const std::function<void()>& ours,
                   const std::function<void()>& theirs, int rounds) {
  const auto rate = [amount](const std::function<void()>& round) {
    return static_cast<double>(amount) / Seconds(round);
  };
  return CompareRates([&] { return rate(ours); }, [&] { return rate(theirs); }, rounds);
}

bool Hold(std::string_view what, std::string_view peer, const Comparison& rates, double bar,
          std::string_view unit) {
  const bool held = rates.ratio >= bar;
  std::cout << absl::StrFormat("  %-22s %10.0f %s/s   %s %10.0f/s   ratio %.2f   bar %.2f %s\n",
                               std::string(what), rates.ours, std::string(unit), std::string(peer),
                               rates.theirs, rates.ratio, bar, held ? "held" : "MISSED")
            << std::flush;
  return held;
}

}  // namespace belfry::bench
