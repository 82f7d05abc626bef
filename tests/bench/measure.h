#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace belfry::bench {

// What benchmarks do with times and texts.

double Seconds(const std::function<void()>& work);
double Median(std::vector<double> values);
// The port of the last "host:port" in a line.
std::uint16_t PortIn(const std::string& text);

}  // namespace belfry::bench
