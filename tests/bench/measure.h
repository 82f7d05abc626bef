#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace belfry::bench {

// What benchmarks do with times and texts.

// Whether everything is only to be run once and shortly, to see that it works: the figures then
// mean nothing, and no bar counts as missed. Set before anything is measured.
void BeQuick();
bool IsQuick();

// How long one round of a load takes.
std::chrono::milliseconds LoadTime();

double Seconds(const std::function<void()>& work);
double Median(std::vector<double> values);
// An empty one in /tmp.
std::string NewFolder();
// The port of the last "host:port" in a line.
std::uint16_t PortIn(const std::string& text);

}  // namespace belfry::bench
