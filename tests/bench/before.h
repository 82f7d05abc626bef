#pragma once

#include <string>

namespace belfry::bench {

// Whether this build is as fast as an earlier one: both in turn, by the clients of this one, with
// what the other parts measure but for hostile inputs and the disk. The number of bars that were
// missed.
int MeasureBefore(const std::string& bin, const std::string& before);

}  // namespace belfry::bench
